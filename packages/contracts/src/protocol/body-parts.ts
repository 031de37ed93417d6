/**
 * Where the parts of a body begin, remembered for as long as its bytes are there: a broker may hand the very bytes to this process that it has just
 * written, and then the steps of a long chain need not be looked through for their end.
 */
import type { ChainText } from './chain-text.ts'
import type { TaskEmbed } from './task-message.ts'

export interface BodyParts {
  /** `[args, kwargs`. */
  readonly head: string
  /** Name and text of each member of the third element, in their order. */
  readonly embed: readonly (readonly [name: string, text: string | ChainText])[]
  /** The third element as it is read, if somebody has done so ahead. */
  links?: TaskEmbed
}

/** On the bytes themselves: what a `WeakMap` holds outlives every collection of young objects, and with it the text of each hop. */
const known = Symbol('parts of the body')
/** Looking through less costs no more than remembering it. */
const fewestCharacters = 256

interface Known {
  [known]?: BodyParts
}

export function rememberParts(body: Uint8Array, parts: BodyParts): void {
  if (body.length >= fewestCharacters) (body as Known)[known] = parts
}

/** Undefined for all bytes but those that this process wrote. */
export function partsOf(body: Uint8Array): BodyParts | undefined {
  return body.length < fewestCharacters ? undefined : (body as Known)[known]
}
