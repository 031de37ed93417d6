/**
 * Messages on a pipe: four bytes that no text begins with, four of length, then a batch of frames: as JSON with their byte arrays behind it
 * (json-payload.ts), or, with what JSON would change, as V8's structured clone writes them. What is numbers only, as the news that a job has
 * begun, is JSON by itself.
 */
import { deserialize, serialize } from 'node:v8'
import { decodeJson, encodeJson, jsonMark } from './json-payload.ts'

const headLength = 8
/** Without it text would be read as a length, and what follows be waited for in vain. */
const mark = 0x01_63_74_ff
/** No message is larger; what says so is none. */
const mostBytes = 2 ** 30

/** What JSON begins with here; a clone begins with a byte that is no text. */
const bracket = 0x5b

export function encodeMessage(frames: unknown): Buffer {
  if (hasNumbersOnly(frames)) {
    const text = JSON.stringify(frames)
    const bytes = withHead(text.length)
    bytes.write(text, headLength, 'latin1')
    return bytes
  }
  const json = encodeJson(frames, headLength)
  if (json !== undefined) return fillHead(json)
  const payload = serialize(frames)
  const bytes = withHead(payload.length)
  bytes.set(payload, headLength)
  return bytes
}

function withHead(length: number): Buffer {
  return fillHead(Buffer.allocUnsafe(headLength + length))
}

function fillHead(bytes: Buffer): Buffer {
  bytes.writeUInt32LE(mark, 0)
  bytes.writeUInt32LE(bytes.length - headLength, 4)
  return bytes
}

function hasNumbersOnly(frames: unknown): boolean {
  return (
    Array.isArray(frames) &&
    frames.every((frame: unknown) => Array.isArray(frame) && frame.every((item) => Number.isFinite(item)))
  )
}

function decodePayload(bytes: Buffer): unknown {
  if (bytes[0] === jsonMark) return decodeJson(bytes)
  return bytes[0] === bracket ? JSON.parse(bytes.toString('latin1')) : deserialize(bytes)
}

/** Puts messages together from chunks. Byte arrays in them are views on the chunks. */
export class MessageReader {
  readonly #onMessage: (frames: unknown) => void
  #chunks: Buffer[] = []
  #held = 0
  /** Bytes needed before it is worth looking again. */
  #wanted = headLength

  constructor(onMessage: (frames: unknown) => void) {
    this.#onMessage = onMessage
  }

  /** Some of a message is there, and the rest is not. */
  get holdsPart(): boolean {
    return this.#held > 0
  }

  /** Throws when the bytes are no messages; then nothing that follows can be read. */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#held += chunk.length
    if (this.#held < this.#wanted) return
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#held)
    let at = 0
    this.#wanted = headLength
    while (bytes.length - at >= headLength) {
      const length = bytes.readUInt32LE(at + 4)
      if (bytes.readUInt32LE(at) !== mark || length > mostBytes)
        throw new Error('these bytes are no message; something else writes into the pipe')
      if (bytes.length - at - headLength < length) {
        this.#wanted = headLength + length
        break
      }
      const from = at + headLength
      at = from + length
      this.#onMessage(decodePayload(bytes.subarray(from, at)))
    }
    this.#held = bytes.length - at
    this.#chunks = this.#held === 0 ? [] : [bytes.subarray(at)]
  }
}
