/**
 * Stamps: named values that travel with a task, put on a canvas by walking it (celery/canvas.py 5.7, `stamp`, `StampingVisitor`).
 *
 * On the way each part passes on what was given to it: keywords and what outer parts answered win over what a visitor answers there, both win
 * over what the signature has. Lists are joined. With `append` values that clash are collected into a list, the new one first.
 */
import { ConfigurationError, isPlainObject } from '@ct/contracts'
import { didYouMean } from '../connection/index.ts'
import { knownWireOptions } from './call-option-names.ts'
import { givenFlag } from './given-arguments.ts'
import type { AnySignature } from './signature.ts'

/** Names and values. Values travel in messages: what the task serializer can write. */
export type Stamps = Readonly<Record<string, unknown>>

/** What a hook answers: stamps for this part and all inside it. Nothing is no stamp. */
export type StampAnswer = Stamps | undefined | void

/**
 * Walks a canvas that is stamped. `given` are the stamps of the parts around. Only {@link onSignature} is needed.
 *
 * In Python an answer may hold ordinary options next to stamps; here a hook calls `signature.set(…)` for these.
 */
export interface StampingVisitor {
  /** Each task, after its links. */
  onSignature(signature: AnySignature, given: Stamps): StampAnswer
  onChainStart?(chain: AnySignature, given: Stamps): StampAnswer
  onChainEnd?(chain: AnySignature, given: Stamps): void
  onGroupStart?(group: AnySignature, given: Stamps): StampAnswer
  onGroupEnd?(group: AnySignature, given: Stamps): void
  /** Default: {@link onGroupStart} with the header as a group. */
  onChordHeaderStart?(chord: AnySignature, given: Stamps): StampAnswer
  /** Default: {@link onGroupEnd} with the header as a group. */
  onChordHeaderEnd?(chord: AnySignature, given: Stamps): void
  /** Before the body of a chord. Without a visitor bodies get no stamps. */
  onChordBody?(chord: AnySignature, given: Stamps): StampAnswer
  /** Each success callback; what it answers goes to the callback. */
  onCallback?(callback: AnySignature, given: Stamps): StampAnswer
  /** Each error callback. */
  onErrback?(errback: AnySignature, given: Stamps): StampAnswer
}

export interface StampOptions {
  /** Collect values of one name into a list instead of choosing one. Default false. */
  readonly append?: boolean | undefined
  /** With a visitor: stamps for everything besides. */
  readonly stamps?: Stamps | undefined
}

/** One walk over a canvas. */
export class Stamping {
  readonly visitor: StampingVisitor | undefined
  readonly #append: boolean

  constructor(visitor: StampingVisitor | undefined, append: boolean) {
    this.visitor = visitor
    this.#append = append
  }

  /** What a part passes on: what was given to it, with its visitor's answer, and with what it has itself. */
  collect(given: Stamps, answer: StampAnswer, own?: Stamps): Stamps {
    const checkedAnswer = answer === undefined || answer === null ? {} : checkedStamps(answer)
    const merged = this.#merge(given, checkedAnswer)
    return own === undefined ? merged : this.#merge(merged, own)
  }

  /** A task: its links first, then itself. */
  task(signature: AnySignature, given: Stamps): void {
    this.links(signature, given)
    const answer = this.visitor?.onSignature(signature, given)
    applyStamps(signature, this.collect(given, answer, stampsOf(signature.options)))
  }

  /** What is linked to a signature; it does not get the signature's own stamps. */
  links(signature: AnySignature, given: Stamps): void {
    for (const link of signature.linked('link'))
      link.stampWith(this, this.collect(given, this.visitor?.onCallback?.(link, given)))
    for (const errback of signature.linked('link_error'))
      errback.stampWith(this, this.collect(given, this.visitor?.onErrback?.(errback, given)))
  }

  #merge(first: Stamps, second: Stamps): Stamps {
    const merged: Record<string, unknown> = { ...first }
    for (const [name, value] of Object.entries(second))
      merged[name] = Object.hasOwn(merged, name) ? this.#both(merged[name], value) : value
    return merged
  }

  #both(first: unknown, second: unknown): unknown {
    if (isPlainObject(first) && isPlainObject(second)) return this.#merge(first, second)
    if (Array.isArray(first) && Array.isArray(second))
      return [...(first as unknown[]), ...(second as unknown[])]
    if (!this.#append) return first
    return [
      ...(Array.isArray(first) ? (first as unknown[]) : [first]),
      ...(Array.isArray(second) ? (second as unknown[]) : [second]),
    ]
  }
}

/** The stamps among a signature's options. */
export function stampsOf(options: Readonly<Record<string, unknown>>): Stamps {
  const names = options['stamped_headers']
  if (!Array.isArray(names)) return {}
  return Object.fromEntries(
    [...new Set(names as string[])].filter((name) => name in options).map((name) => [name, options[name]]),
  )
}

function applyStamps(signature: AnySignature, stamps: Stamps): void {
  const names = Object.keys(stamps)
  Object.assign(signature.options, stamps, { stamped_headers: names })
}

/** Stamps whose names are no calling options, and whose values can travel. Throws `CT_CONFIGURATION`. */
export function checkedStamps(stamps: unknown): Stamps {
  if (!isPlainObject(stamps)) {
    throw new ConfigurationError('Stamps are an object of names and values, such as { tenant: "acme" }.')
  }
  for (const [name, value] of Object.entries(stamps)) {
    if (typeof value === 'function') {
      throw new ConfigurationError(
        `The stamp "${name}" is a function, which cannot travel. A visitor has an onSignature, and hooks such as onChainStart beside it.`,
      )
    }
    if (knownWireOptions.has(name)) {
      throw new ConfigurationError(`A stamp may not be named "${name}": that is a calling option.`)
    }
  }
  return stamps
}

export function isVisitor(given: unknown): given is StampingVisitor {
  return typeof (given as Partial<StampingVisitor> | null)?.onSignature === 'function'
}

/** What `stamp` was given. Throws `CT_CONFIGURATION`. */
export function stampingOf(
  given: Stamps | StampingVisitor,
  options: StampOptions,
): { readonly stamping: Stamping; readonly stamps: Stamps } {
  const visitor = isVisitor(given) ? given : undefined
  checkStampOptions(options, visitor !== undefined)
  const stamps = checkedStamps(visitor === undefined ? given : (options.stamps ?? {}))
  return { stamping: new Stamping(visitor, options.append ?? false), stamps }
}

/** Refuses with `CT_CONFIGURATION` what would be of no effect. */
function checkStampOptions(options: StampOptions, visited: boolean): void {
  const known = visited ? ['append', 'stamps'] : ['append']
  for (const key in options) {
    if (known.includes(key)) continue
    const advice = key === 'stamps' ? ' Without a visitor all stamps come first.' : didYouMean(key, known)
    throw new ConfigurationError(`stamp has no option "${key}".${advice}`, { details: { option: key } })
  }
  givenFlag('append', options.append)
}
