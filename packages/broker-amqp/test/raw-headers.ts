import type { ConfirmChannel } from 'amqplib'
import { rawChannel } from '../src/connection/raw-channel.ts'

/** A field of a table, with a type that amqplib does not write. */
export function rawField(name: string, tag: string, value: Buffer): Buffer {
  return Buffer.concat([Buffer.from([name.length]), Buffer.from(name), Buffer.from(tag), value])
}

/** Length and bytes, as of a text, a list or a table. */
export function rawText(text: string | Buffer): Buffer {
  const bytes = Buffer.from(text as string)
  const size = Buffer.alloc(4)
  size.writeUInt32BE(bytes.length)
  return Buffer.concat([size, bytes])
}

/** A field that is a table in a table in a table …: `{ a: { a: … } }`. */
export function rawDepth(depth: number): Buffer {
  const level = rawField('a', 'F', Buffer.alloc(4))
  const bytes = Buffer.alloc(depth * level.length)
  for (let at = 0; at < bytes.length; at += level.length) {
    level.copy(bytes, at)
    bytes.writeUInt32BE(bytes.length - at - level.length, at + level.length - 4)
  }
  return bytes
}

/** A task without arguments whose headers are these bytes; resolves when RabbitMQ has it. */
export async function publishRaw(
  channel: ConfirmChannel,
  queue: string,
  headers: readonly Buffer[],
): Promise<void> {
  const raw = rawChannel(channel)
  if (raw === undefined) throw new Error('amqplib looks otherwise inside')
  const frame = (type: number, payload: Buffer): Buffer => {
    const start = Buffer.alloc(7)
    start.writeUInt8(type, 0)
    start.writeUInt16BE(raw.number, 1)
    start.writeUInt32BE(payload.length, 3)
    return Buffer.concat([start, payload, Buffer.from([0xce])])
  }
  const short = (text: string): Buffer => Buffer.concat([Buffer.from([text.length]), Buffer.from(text)])
  const body = Buffer.from('[[], {}, null]')
  const start = Buffer.alloc(14)
  start.writeUInt16BE(60, 0)
  start.writeUInt32BE(body.length, 8)
  // Content type, content encoding, headers.
  start.writeUInt16BE(0xe000, 12)
  const method = Buffer.concat([Buffer.from([0, 60, 0, 40, 0, 0]), short(''), short(queue), Buffer.from([0])])
  const header = Buffer.concat([
    start,
    short('application/json'),
    short('utf-8'),
    rawText(Buffer.concat([...headers])),
  ])
  const confirmed = new Promise<void>((resolve, reject) =>
    raw.expectConfirm((error) => (error === null ? resolve() : reject(error as Error))),
  )
  raw.write(Buffer.concat([frame(1, method), frame(2, header), frame(3, body)]))
  await confirmed
}
