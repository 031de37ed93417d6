/**
 * Values as JSON with the byte arrays behind it as they are: a quarter of what V8's structured clone costs for the small values that jobs and
 * outcomes are made of.
 *
 *   01 │ length of the text │ [value, places] │ bytes, one array after the other
 *
 * `places` says where what JSON cannot hold was: `[length, …path]` of a Uint8Array, `[-1 - length, …path]` of a Buffer, `['', …path]` of undefined.
 * Anything else that JSON would change (dates, maps, bigints, what refers to itself) is left to the structured clone.
 */

type Step = string | number
type Place = readonly [what: number | '', ...path: Step[]]

/** What such a payload begins with: no text of JSON and no structured clone does. */
export const jsonMark = 0x01
const headLength = 5
/** What refers to itself is deeper than any; and what is deep is dear to look through. */
const mostDeep = 12

/** Writes the payload behind `before` bytes that are the caller's; undefined when it holds what JSON would change. */
export function encodeJson(value: unknown, before: number): Buffer | undefined {
  const packer = new Packer()
  const plain = packer.pack(value)
  if (packer.failed) return undefined
  const text = JSON.stringify([plain, packer.places])
  const textLength = Buffer.byteLength(text)
  const bytes = Buffer.allocUnsafe(before + headLength + textLength + packer.length)
  bytes[before] = jsonMark
  bytes.writeUInt32LE(textLength, before + 1)
  let at = before + headLength
  bytes.write(text, at, 'utf8')
  at += textLength
  for (const part of packer.parts) {
    bytes.set(part, at)
    at += part.length
  }
  return bytes
}

/** The byte arrays are views. Throws when it is no such payload. */
export function decodeJson(bytes: Buffer): unknown {
  const textEnd = headLength + bytes.readUInt32LE(1)
  const root = JSON.parse(bytes.toString('utf8', headLength, textEnd)) as [unknown, Place[]]
  let at = textEnd
  for (const [what, ...path] of root[1]) {
    let found: unknown
    if (what !== '') {
      const length = what < 0 ? -1 - what : what
      found =
        what < 0
          ? bytes.subarray(at, at + length)
          : new Uint8Array(bytes.buffer, bytes.byteOffset + at, length)
      at += length
    }
    put(root, path, found)
  }
  return root[0]
}

function put(root: [unknown, Place[]], path: readonly Step[], value: unknown): void {
  let holder = root as unknown as Record<Step, unknown>
  let key: Step = 0
  for (const step of path) {
    holder = holder[key] as Record<Step, unknown>
    key = step
  }
  holder[key] = value
}

class Packer {
  readonly places: Place[] = []
  readonly parts: Uint8Array[] = []
  length = 0
  failed = false
  readonly #path: Step[] = []

  /** What JSON can hold of it: the value itself, or a copy of those parts in which something had to be left out. */
  pack(value: unknown): unknown {
    switch (typeof value) {
      case 'string':
      case 'boolean':
        return value
      case 'number':
        if (!Number.isFinite(value) || Object.is(value, -0)) this.failed = true
        return value
      case 'undefined':
        this.places.push(['', ...this.#path])
        return null
      case 'object':
        if (value === null) return value
        if (this.#path.length > mostDeep) this.failed = true
        else if (Array.isArray(value)) return this.#packArray(value)
        else if (value instanceof Uint8Array) return this.#packBytes(value)
        else return this.#packObject(value)
        return null
      default:
        this.failed = true
        return null
    }
  }

  #packArray(array: readonly unknown[]): unknown {
    let copy: unknown[] | undefined
    for (let index = 0; index < array.length && !this.failed; index++) {
      const item = array[index]
      if (typeof item === 'string' || item === null) continue
      this.#path.push(index)
      const packed = this.pack(item)
      this.#path.pop()
      if (packed !== item) (copy ??= [...array])[index] = packed
    }
    return copy ?? array
  }

  #packObject(object: object): unknown {
    const prototype: unknown = Object.getPrototypeOf(object)
    if (prototype !== Object.prototype && prototype !== null) {
      this.failed = true
      return null
    }
    let copy: Record<string, unknown> | undefined
    for (const key in object) {
      const item = (object as Record<string, unknown>)[key]
      if (typeof item === 'string' || item === null) continue
      this.#path.push(key)
      const packed = this.pack(item)
      this.#path.pop()
      if (packed === item) continue
      // Setting it would set the prototype.
      if (key === '__proto__') this.failed = true
      else (copy ??= { ...object })[key] = packed
      if (this.failed) return null
    }
    return copy ?? object
  }

  #packBytes(bytes: Uint8Array): unknown {
    const isBuffer = Buffer.isBuffer(bytes)
    if (!isBuffer && bytes.constructor !== Uint8Array) this.failed = true
    const { length } = bytes
    this.places.push([isBuffer ? -1 - length : length, ...this.#path])
    this.parts.push(bytes)
    this.length += length
    return null
  }
}
