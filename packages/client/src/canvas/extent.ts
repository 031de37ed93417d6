/** How large a canvas is, and what is too large: found out as it is built, from the extents of its parts. */
import { ConfigurationError } from '@ct/contracts'
import type { AnySignature } from './signature.ts'

export interface Extent {
  /** Signatures in it, itself and its links included; a part that is in it twice counts twice. */
  readonly signatures: number
  /** Signatures inside one another. */
  readonly depth: number
}

/** Most signatures in one canvas. Each becomes a message or a part of one. */
export const mostSignatures = 1_000_000
/** Deepest nesting. Python's JSON reads about three times as many levels as a signature in a signature has. */
export const deepestNesting = 100

export const oneSignature: Extent = Object.freeze({ signatures: 1, depth: 1 })

/**
 * The extent of something that has these members, besides its links. Throws `CT_CONFIGURATION` when it is too large or too deep, with its size and
 * the place. Called for each container that is made: places are looked up for the error only.
 */
export function extentOf(signature: AnySignature, members: readonly AnySignature[]): Extent {
  if (walked.length >= deepestNesting) throw endless([...walked, signature])
  walked.push(signature)
  try {
    return measured(signature, members)
  } finally {
    walked.pop()
  }
}

/** The extent of a task and its links, of anything else without its members. Throws as {@link extentOf}. */
export function extentOfLinks(signature: AnySignature): Extent {
  const { link, link_error: errbacks } = signature.options
  return link === undefined && errbacks === undefined ? oneSignature : extentOf(signature, [])
}

/** What is being measured, outermost first: links are walked each time, as they may be added at any time. */
const walked: AnySignature[] = []

/** Seen on the way down, where nobody knows yet how much deeper it is. */
function endless(way: readonly AnySignature[]): ConfigurationError {
  const [first, second, third] = way.map((signature) => signature.task)
  return tooLarge(
    `This ${first} is nested more than ${deepestNesting} deep, or leads back to itself: ${first} → ${second} → ${third} → … (what is in it or linked to it). At most ${deepestNesting} is possible.`,
    { most: deepestNesting },
  )
}

function measured(signature: AnySignature, members: readonly AnySignature[]): Extent {
  let signatures = 1
  let depth = 1
  const add = (part: AnySignature): void => {
    const inside = part.extent()
    signatures += inside.signatures
    if (inside.depth >= depth) depth = inside.depth + 1
  }
  members.forEach(add)
  for (const key of ['link', 'link_error']) {
    const links = signature.options[key]
    if (Array.isArray(links)) for (const link of links) if (hasExtent(link)) add(link)
  }
  const kind = signature.subtaskType ?? signature.task
  if (signatures > mostSignatures) {
    throw tooLarge(
      `This ${kind} holds ${signatures} signatures; at most ${mostSignatures} go into one canvas. The largest part is ${kind}.${placeOf(signature, 'signatures')}. Send it in pieces, or make fewer tasks of more work each: task.chunks().`,
      { signatures, most: mostSignatures },
    )
  }
  if (depth > deepestNesting) {
    throw tooLarge(
      `This ${kind} is nested ${depth} deep; at most ${deepestNesting} is possible. The deepest part is ${kind}.${placeOf(signature, 'depth')}.`,
      { depth, most: deepestNesting },
    )
  }
  return { signatures, depth }
}

/** Most steps behind the first of a chain: its message carries them all, and workers park one that carries more (`readTaskBody` of contracts). */
const mostCarried = 100_000

/** Throws `CT_CONFIGURATION` for more steps than a message may carry. */
export function refuseTooLong(steps: readonly AnySignature[]): void {
  if (steps.length <= mostCarried + 1) return
  throw tooLarge(
    `This chain has ${steps.length} steps; at most ${mostCarried + 1} go into one, since the message of the first carries all others. Step ${mostCarried + 2} is ${steps[mostCarried + 1]!.task}. Let a task of the chain send the next part, or make fewer steps of more work each.`,
    { steps: steps.length, most: mostCarried + 1 },
  )
}

/** Links may be data, which counts for nothing: it is a message's, and was read within its limits. */
function hasExtent(link: unknown): link is AnySignature {
  return typeof (link as Partial<AnySignature> | null)?.extent === 'function'
}

function placeOf(signature: AnySignature, measure: keyof Extent): string {
  let most: readonly [name: string, part: AnySignature] | undefined
  for (const place of signature.parts())
    if (place[1].extent()[measure] > (most?.[1].extent()[measure] ?? 0)) most = place
  return placeText(most, measure)
}

function placeText(
  place: readonly [name: string, part: AnySignature] | undefined,
  measure: keyof Extent,
): string {
  if (place === undefined) return '?'
  const [name, part] = place
  return `${name} (${part.task}, ${measure === 'depth' ? `${part.extent().depth} deep` : `${part.extent().signatures} signatures`})`
}

function tooLarge(message: string, details: Readonly<Record<string, unknown>>): ConfigurationError {
  return new ConfigurationError(message, { details })
}

/** Throws `CT_CONFIGURATION` when a callback leads back to the signature it is linked to, with the way round, or is too deep or too large for a link. */
export function refuseCycle(signature: AnySignature, callback: AnySignature, key: string): void {
  const { depth, signatures } = callback.extent()
  if (depth >= deepestNesting) {
    throw tooLarge(
      `${signature.task}.${key} would be nested ${depth + 1} deep; at most ${deepestNesting} is possible. The callback is ${callback.task} (${depth} deep, ${signatures} signatures). What follows one another goes into a chain: first.pipe(second).`,
      { depth: depth + 1, most: deepestNesting },
    )
  }
  const way = wayTo(signature, callback, new Set())
  if (way === undefined) return
  throw new ConfigurationError(
    `${signature.task} cannot be linked to itself: ${[`${signature.task}.${key}`, ...way].join(' → ')}. Link a copy: signature.clone().`,
    { details: { cycle: way } },
  )
}

function wayTo(
  wanted: AnySignature,
  from: AnySignature,
  seen: Set<AnySignature>,
): readonly string[] | undefined {
  if (from === wanted) return [from.task]
  if (seen.has(from)) return undefined
  seen.add(from)
  for (const [name, part] of from.parts()) {
    const way = wayTo(wanted, part, seen)
    if (way !== undefined) return [`${from.task}.${name}`, ...way]
  }
  return undefined
}
