/**
 * Where the parts of a body begin, remembered for as long as its bytes are there: a broker may hand the very bytes to this process that it has just
 * written, and then the steps of a long chain need not be looked through for their end.
 */

export interface BodyParts {
  /** `[args, kwargs`. */
  readonly head: string
  /** Name and text of each member of the third element, in their order. */
  readonly embed: readonly (readonly [name: string, text: string])[]
}

const known = new WeakMap<Uint8Array, BodyParts>()
/** Looking through less costs no more than remembering it. */
const fewestCharacters = 256

export function rememberParts(body: Uint8Array, parts: BodyParts): void {
  if (body.length >= fewestCharacters) known.set(body, parts)
}

/** Undefined for all bytes but those that this process wrote. */
export function partsOf(body: Uint8Array): BodyParts | undefined {
  return body.length < fewestCharacters ? undefined : known.get(body)
}
