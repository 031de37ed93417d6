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

/** Throws `CT_CONFIGURATION`, with the way round, when a callback leads back to the signature it is linked to. */
export function refuseCycle(signature: AnySignature, callback: AnySignature, key: string): void {
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
