import { readFileSync } from 'node:fs'

/** What `make-fixtures.py` recorded of the real Celery and kombu. */
export interface CeleryFixtures {
  readonly celery: string
  readonly kombu: string
  readonly json_exact: readonly string[]
  readonly json_floats: readonly (readonly [text: string, repr: string])[]
  readonly json_random_floats: readonly string[]
  readonly json_validity: readonly (readonly [text: string, accepted: boolean])[]
  readonly saferepr: readonly (readonly [
    args: string,
    kwargs: string,
    maxLength: number,
    maxLevels: number,
    argsRepr: string,
    kwargsRepr: string,
  ])[]
  readonly repr: readonly (readonly [text: string, repr: string])[]
  readonly isoparse: readonly (readonly [text: string, epochMs: number | null])[]
  readonly compression: { readonly plain: string } & Readonly<
    Record<string, readonly [header: string, base64: string]>
  >
  readonly messages: readonly (readonly [name: string, envelopes: readonly string[]])[]
  readonly results: readonly (readonly [name: string, document: string])[]
  readonly group: string
}

export const fixtures: CeleryFixtures = JSON.parse(
  readFileSync(new URL('celery-fixtures.json', import.meta.url), 'utf8'),
) as CeleryFixtures

/** The envelopes of one recorded call. */
export function recorded(name: string): readonly string[] {
  const found = fixtures.messages.find(([entry]) => entry === name)
  if (found === undefined) throw new Error(`no recorded message ${name}`)
  return found[1]
}

/** A small seeded generator (mulberry32): the same sequence everywhere. */
export function seeded(seed: number): () => number {
  let state = seed >>> 0
  return () => {
    state = (state + 0x6d2b79f5) >>> 0
    let mixed = Math.imul(state ^ (state >>> 15), state | 1)
    mixed ^= mixed + Math.imul(mixed ^ (mixed >>> 7), mixed | 61)
    return ((mixed ^ (mixed >>> 14)) >>> 0) / 4_294_967_296
  }
}

/** Random edits of a text or bytes: deletions, insertions, replacements, repeated slices. */
export function mutate(bytes: Uint8Array, random: () => number, alphabet: string): Uint8Array {
  const result = [...bytes]
  const edits = 1 + Math.floor(random() * 4)
  for (let edit = 0; edit < edits; edit += 1) {
    const at = Math.floor(random() * (result.length + 1))
    const kind = random()
    const code = alphabet.charCodeAt(Math.floor(random() * alphabet.length))
    if (kind < 0.3) result.splice(at, 1 + Math.floor(random() * 8))
    else if (kind < 0.6) result.splice(at, 0, code)
    else if (kind < 0.8) result.splice(at, 1, Math.floor(random() * 256))
    else result.splice(at, 0, ...result.slice(at, at + Math.floor(random() * 40)))
  }
  return Uint8Array.from(result)
}

/** What the action threw, if it is an instance of one of these classes; undefined when it returned. Anything else is thrown on. */
export function caught<T>(
  action: () => unknown,
  ...classes: readonly (abstract new (...args: never[]) => T)[]
): T | undefined {
  try {
    action()
  } catch (error) {
    if (classes.some((known) => error instanceof known)) return error as T
    throw error
  }
  return undefined
}
