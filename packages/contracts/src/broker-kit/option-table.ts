/**
 * Options are checked once, when the adapter is made: unknown names are refused with a suggestion, values of the wrong kind with the
 * name and what was expected. Text is taken for numbers and booleans, because URL queries and environments hold nothing else.
 */
import { ConfigurationError } from '../errors.ts'
import { nearestName } from '../nearest-name.ts'

type Kind = 'string' | 'number' | 'boolean' | 'any' | ((value: unknown, name: string) => unknown)

export type OptionTable = Readonly<Record<string, Kind>>

/** Checks `given` against the table; undefined and null mean "not given". Error: `CT_CONFIGURATION`. */
export function checkOptions(
  owner: string,
  given: Readonly<Record<string, unknown>>,
  table: OptionTable,
): Record<string, unknown> {
  const checked: Record<string, unknown> = {}
  for (const [name, value] of Object.entries(given)) {
    const kind = Object.hasOwn(table, name) ? table[name] : undefined
    if (kind === undefined) {
      const near = nearestName(name, Object.keys(table))
      throw new ConfigurationError(
        `${owner} has no option ${JSON.stringify(name)}${near === undefined ? '' : `; did you mean ${JSON.stringify(near)}?`}`,
        { details: { option: name, ...(near === undefined ? {} : { suggestion: near }) } },
      )
    }
    if (value === undefined || value === null) continue
    checked[name] = convert(owner, name, kind, value)
  }
  return checked
}

function convert(owner: string, name: string, kind: Kind, value: unknown): unknown {
  if (typeof kind === 'function') {
    try {
      return kind(value, name)
    } catch (error) {
      if (error instanceof TypeError) throw wrong(owner, name, error.message)
      throw error
    }
  }
  if (kind === 'any') return value
  if (kind === 'string') {
    if (typeof value === 'string') return value
    throw wrong(owner, name, 'a text')
  }
  if (kind === 'number') {
    const number = typeof value === 'string' && value.trim() !== '' ? Number(value) : value
    if (typeof number === 'number' && Number.isFinite(number) && number >= 0) return number
    throw wrong(owner, name, 'a number of at least 0')
  }
  if (typeof value === 'boolean') return value
  const word = typeof value === 'string' ? value.toLowerCase() : value
  if (word === 'true' || word === '1' || word === 'yes' || word === 1) return true
  if (word === 'false' || word === '0' || word === 'no' || word === 0) return false
  throw wrong(owner, name, 'true or false')
}

function wrong(owner: string, name: string, expected: string): ConfigurationError {
  return new ConfigurationError(`${owner}: option ${JSON.stringify(name)} must be ${expected}`, {
    details: { option: name },
  })
}

/** `ssl_cert_reqs` → `sslCertReqs`. */
export function camelCase(name: string): string {
  return name.replace(/[_-]+([a-z0-9])/gi, (_, letter: string) => letter.toUpperCase())
}
