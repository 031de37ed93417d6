import { ConfigurationError } from '@ct/contracts'

const policyKeys = ['maxRetries', 'intervalStart', 'intervalStep', 'intervalMax']

/** Keys may be Python's. Called for the setting and for the calling option of the same name. */
export function retryPolicy(given: object): Record<string, unknown> {
  const policy: Record<string, unknown> = {}
  for (const [key, value] of Object.entries(given)) {
    const name = key.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())
    if (name === 'retryErrors') continue
    if (!policyKeys.includes(name)) {
      throw new ConfigurationError(
        `A publish retry policy has an unknown key "${key}". It takes ${policyKeys.join(', ')}.`,
      )
    }
    if (!(name === 'maxRetries' && value === null) && !(typeof value === 'number' && value >= 0)) {
      throw new ConfigurationError(`"${key}" of a publish retry policy must be a number not below 0.`)
    }
    policy[name] = value
  }
  return policy
}
