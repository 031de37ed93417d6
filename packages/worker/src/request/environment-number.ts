import { ConfigurationError } from '@ct/contracts'

export type Environment = Readonly<Record<string, string | undefined>>

/** A number, 0 or more, that a variable of the environment gives. Error: `CT_CONFIGURATION`. */
export function numberFrom(environment: Environment, name: string, fallback: number): number {
  const text = environment[name]
  if (text === undefined || text === '') return fallback
  const value = Number(text)
  if (Number.isFinite(value) && value >= 0) return value
  throw new ConfigurationError(`The environment variable ${name} is "${text}". Give a number.`)
}
