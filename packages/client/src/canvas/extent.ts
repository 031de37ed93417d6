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

/** Parts by their place, for messages. */
type Place = readonly [name: string, part: AnySignature]

/** The extent of something that has these parts. Throws `CT_CONFIGURATION` when it is too large or too deep, with its size and the place. */
export function extentOf(kind: string, places: Iterable<Place>): Extent {
  let signatures = 1
  let depth = 1
  let largest: Place | undefined
  let deepest: Place | undefined
  for (const place of places) {
    const inside = place[1].extent()
    signatures += inside.signatures
    if (inside.signatures > (largest?.[1].extent().signatures ?? 0)) largest = place
    if (inside.depth >= depth) {
      depth = inside.depth + 1
      deepest = place
    }
  }
  if (signatures > mostSignatures) {
    throw tooLarge(
      `This ${kind} holds ${signatures} signatures; at most ${mostSignatures} go into one canvas. The largest part is ${kind}.${placeIn(largest, 'signatures')}. Send it in pieces, or make fewer tasks of more work each: task.chunks().`,
      { signatures, most: mostSignatures },
    )
  }
  if (depth > deepestNesting) {
    throw tooLarge(
      `This ${kind} is nested ${depth} deep; at most ${deepestNesting} is possible. The deepest part is ${kind}.${placeIn(deepest, 'depth')}.`,
      { depth, most: deepestNesting },
    )
  }
  return { signatures, depth }
}

function placeIn(place: Place | undefined, measure: keyof Extent): string {
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
