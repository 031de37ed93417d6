/**
 * Frames on a pipe: four bytes of length, then the frame as V8's structured clone writes it, in which byte arrays are the bytes they are.
 */
import { deserialize, serialize } from 'node:v8'

const headLength = 4
/** No frame is larger; what says so is no frame. */
const mostBytes = 2 ** 30

export function encodeFrame(frame: unknown): Buffer {
  const payload = serialize(frame)
  const bytes = Buffer.allocUnsafe(headLength + payload.length)
  bytes.writeUInt32LE(payload.length, 0)
  bytes.set(payload, headLength)
  return bytes
}

/** Puts frames together from chunks. Byte arrays in them are views on the chunks. */
export class FrameReader {
  readonly #onFrame: (frame: unknown) => void
  #chunks: Buffer[] = []
  #held = 0
  /** Bytes needed before it is worth looking again. */
  #wanted = headLength

  constructor(onFrame: (frame: unknown) => void) {
    this.#onFrame = onFrame
  }

  /** Throws when the bytes are no frames; then nothing that follows can be read. */
  push(chunk: Buffer): void {
    this.#chunks.push(chunk)
    this.#held += chunk.length
    if (this.#held < this.#wanted) return
    const bytes = this.#chunks.length === 1 ? chunk : Buffer.concat(this.#chunks, this.#held)
    let at = 0
    this.#wanted = headLength
    while (bytes.length - at >= headLength) {
      const length = bytes.readUInt32LE(at)
      if (length > mostBytes) throw new Error(`a frame of ${length} bytes`)
      if (bytes.length - at - headLength < length) {
        this.#wanted = headLength + length
        break
      }
      const from = at + headLength
      at = from + length
      this.#onFrame(deserialize(bytes.subarray(from, at)))
    }
    this.#held = bytes.length - at
    this.#chunks = this.#held === 0 ? [] : [bytes.subarray(at)]
  }
}
