/**
 * amqplib ends the connection over a header that it cannot decode. The message comes again over the next connection and ends that too, for
 * ever. Two kinds of such headers pass RabbitMQ: integers of type `L`, which py-amqp 5.3 writes for what does not fit into 32 bits
 * (amqp/serialization.py, `_write_item`), and tables so deep that reading them overflows the stack. The first are read here; of a message with
 * the second only the headers are lost, and the worker parks it as it does with every message that names no task.
 */
import type { ChannelModel } from 'amqplib'

/** Deeper tables are not read; no Celery writes any deeper than four. */
export const deepestTable = 100

/** In place of headers that cannot be read: why not. */
export const unreadableHeader = 'ct-unreadable-headers'

const headerFrame = 2
/** Type, channel and size of a frame; class, weight and body size of a content header; property flags. */
const [frameStart, propertiesStart] = [7, 21]

/** The parts of amqplib 2 that are used here and are not in its documentation. */
interface Insides {
  rest?: Buffer
  recvSinceLastCheck?: boolean
  readonly stream?: { read(): Buffer | null }
  recvFrame?: () => unknown
}

/** Does nothing where amqplib looks otherwise inside. */
export function readAnyHeaders(model: ChannelModel): void {
  const connection = model.connection as unknown as Insides
  const receive = connection.recvFrame
  const { stream } = connection
  if (receive === undefined || stream === undefined || !Buffer.isBuffer(connection.rest)) return
  connection.recvFrame = () => {
    let bytes = connection.rest as Buffer
    // So that a frame which cannot be decoded is at hand as a whole.
    while (!holdsFrame(bytes)) {
      const incoming = stream.read()
      if (incoming === null) return false
      connection.recvSinceLastCheck = true
      bytes = connection.rest = bytes.length === 0 ? incoming : Buffer.concat([bytes, incoming])
    }
    try {
      return receive.call(connection)
    } catch (error) {
      if (bytes[0] !== headerFrame) throw error
      const end = frameEnd(bytes)
      for (const frame of mendedFrames(bytes.subarray(0, end), error)) {
        connection.rest = Buffer.concat([frame, bytes.subarray(end)])
        try {
          return receive.call(connection)
        } catch {
          // Then the next one.
        }
      }
      throw error
    }
  }
}

function frameEnd(bytes: Buffer): number {
  return frameStart + bytes.readUInt32BE(3) + 1
}

function holdsFrame(bytes: Buffer): boolean {
  return bytes.length >= frameStart && bytes.length >= frameEnd(bytes)
}

/** The same content header, first with integers that amqplib can read, then without the headers. */
function* mendedFrames(frame: Buffer, error: unknown): Iterable<Buffer> {
  const flags = frame.readUInt16BE(propertiesStart - 2)
  // Headers come after content type and encoding.
  if ((flags & 0x2000) === 0) return
  let at = propertiesStart
  for (const flag of [0x8000, 0x4000]) if ((flags & flag) !== 0) at += 1 + frame.readUInt8(at)
  const end = at + 4 + frame.readUInt32BE(at)
  const readable = Buffer.from(frame)
  if (signLongs(readable, at + 4, end, 0)) yield readable
  const why = Buffer.from(String(error).slice(0, 200))
  const name = Buffer.from(unreadableHeader)
  const table = Buffer.concat([Buffer.from([name.length]), name, Buffer.from('S'), size(why), why])
  const shorter = Buffer.concat([frame.subarray(0, at), size(table), table, frame.subarray(end)])
  shorter.writeUInt32BE(shorter.length - frameStart - 1, 3)
  yield shorter
}

function size(bytes: Buffer): Buffer {
  const text = Buffer.alloc(4)
  text.writeUInt32BE(bytes.length)
  return text
}

const sizes = { V: 0, b: 1, B: 1, t: 1, s: 2, u: 2, I: 4, i: 4, f: 4, D: 5, l: 8, L: 8, d: 8, T: 8 }
const fixedSizes: Readonly<Record<string, number>> = sizes

/** `L` becomes `l` (signed, as py-amqp means it) in the table between `at` and `end`; false: it cannot be read all the same. */
function signLongs(bytes: Buffer, at: number, end: number, depth: number, inList: boolean = false): boolean {
  if (depth > deepestTable || end > bytes.length) return false
  while (at < end) {
    if (!inList) at += 1 + bytes.readUInt8(at)
    if (at >= end) return false
    const tag = String.fromCharCode(bytes.readUInt8(at))
    const type = at++
    const fixed = fixedSizes[tag]
    if (fixed !== undefined) {
      if (tag === 'L') bytes.write('l', type, 'latin1')
      at += fixed
      continue
    }
    if (!'SxFA'.includes(tag) || at + 4 > end) return false
    const from = at + 4
    at = from + bytes.readUInt32BE(at)
    if (tag !== 'F' && tag !== 'A') continue
    if (!signLongs(bytes, from, at, depth + 1, tag === 'A')) return false
  }
  return at === end
}
