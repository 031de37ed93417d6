/** Arguments of calls and signatures, checked for those who have no compiler that does: what is no list or no object would be sent all the same. */
import { ConfigurationError, pyRepr } from '@ct/contracts'

const noKwargs: Readonly<Record<string, unknown>> = Object.freeze({})

/** Errors: `CT_CONFIGURATION`. */
export function givenArgs(args: unknown): readonly unknown[] | undefined {
  if (args === undefined || Array.isArray(args)) return args
  throw new ConfigurationError(`Arguments are a list such as [2, 2], not ${shown(args)}.`)
}

/** Errors: `CT_CONFIGURATION`. */
export function givenKwargs(kwargs: unknown): Readonly<Record<string, unknown>> {
  if (kwargs === undefined || kwargs === null) return noKwargs
  if (typeof kwargs === 'object' && !Array.isArray(kwargs)) return kwargs as Record<string, unknown>
  throw new ConfigurationError(
    `Keyword arguments are an object such as { kwargs: { y: 2 } }, not ${shown(kwargs)}.`,
  )
}

/** Errors: `CT_CONFIGURATION`. */
export function givenFlag(name: string, flag: unknown): boolean | undefined {
  if (flag === undefined || typeof flag === 'boolean') return flag
  throw new ConfigurationError(`"${name}" must be true or false, not ${shown(flag)}.`)
}

/** All three, as `app.signature` takes them. Errors: `CT_CONFIGURATION`. */
export function givenParts(parts: {
  readonly args?: unknown
  readonly kwargs?: unknown
  readonly immutable?: unknown
}): {
  readonly args: readonly unknown[] | undefined
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly immutable: boolean | undefined
} {
  const { args, kwargs, immutable } = parts
  return { args: givenArgs(args), kwargs: givenKwargs(kwargs), immutable: givenFlag('immutable', immutable) }
}

function shown(value: unknown): string {
  return pyRepr(value).slice(0, 60)
}
