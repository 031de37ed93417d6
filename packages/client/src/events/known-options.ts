/** Options of states, cameras, receivers and dispatchers: what would be of no effect is refused with what was meant (`CT_CONFIGURATION`). */
import { ConfigurationError } from '@ct/contracts'
import { didYouMean } from '../connection/index.ts'

interface Kind {
  readonly wanted: string
  readonly fits: (value: unknown) => boolean
}

const kinds = {
  callback: { wanted: 'a function', fits: (value) => typeof value === 'function' },
  flag: { wanted: 'true or false', fits: (value) => typeof value === 'boolean' },
  text: { wanted: 'a text that is not empty', fits: (value) => typeof value === 'string' && value !== '' },
  count: {
    wanted: 'a whole number above 0',
    fits: (value) => value === Infinity || (Number.isInteger(value) && (value as number) > 0),
  },
  texts: {
    wanted: "a list of groups of events, such as ['task']",
    fits: (value) =>
      typeof value === 'object' &&
      value !== null &&
      Symbol.iterator in value &&
      (!Array.isArray(value) || value.every((one) => typeof one === 'string')),
  },
  /** Looked at where it is used. */
  any: { wanted: 'anything', fits: () => true },
} satisfies Record<string, Kind>

export type KnownOptions<T> = Readonly<Record<keyof T, keyof typeof kinds>>

/** `whose` begins the message: "A camera". `null` and `undefined` mean "not given". */
export function checkKnownOptions<T extends object>(whose: string, options: T, known: KnownOptions<T>): void {
  if (typeof options !== 'object' || options === null)
    throw new ConfigurationError(`${whose} takes its options as an object, such as { … }.`)
  for (const key in options) {
    if (!Object.hasOwn(known, key))
      throw new ConfigurationError(`${whose} has no option "${key}".${didYouMean(key, Object.keys(known))}`, {
        details: { option: key },
      })
    const value = options[key]
    const kind: Kind = kinds[known[key]]
    if (value !== undefined && value !== null && !kind.fits(value))
      throw new ConfigurationError(`${whose}: the option "${key}" must be ${kind.wanted}.`, {
        details: { option: key },
      })
  }
}
