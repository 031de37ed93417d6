/** AMQP 0-9-1 frames of messages and acknowledgements (amqp0-9-1.pdf §4.2), many in one buffer. */
import { EncodeError, isRawJson, PyFloat, resolveRawJson, type OutgoingMessage } from '@ct/contracts'

const method = 1
const header = 2
const body = 3
const frameEnd = 0xce
const basic = 60
const basicPublish = 40
const basicAck = 80
/** What a frame needs around its payload. */
const frameOverhead = 8

const initialBytes = 64 * 1024
/** A buffer that one huge message has made larger is not kept. */
const keptBytes = 1024 * 1024
const deepest = 100

/** Names of headers with their length, as they stand in a table: the same few in every task. */
const names = new Map<string, Buffer>()
const mostNames = 500

/**
 * Writes field tables with the types of py-amqp 5.3, as `encodeTable` describes them for amqplib.
 */
export class FrameWriter {
  #bytes: Buffer = Buffer.allocUnsafeSlow(initialBytes)
  #length: number = 0

  get length(): number {
    return this.#length
  }

  /** What was written since the last call. */
  take(): Buffer {
    const taken = Buffer.allocUnsafe(this.#length)
    this.#bytes.copy(taken, 0, 0, this.#length)
    this.clear()
    return taken
  }

  clear(): void {
    this.#length = 0
    if (this.#bytes.length > keptBytes) this.#bytes = Buffer.allocUnsafeSlow(initialBytes)
  }

  /** Error: `CT_ENCODE`; nothing of the message is written then. */
  message(channel: number, frameMax: number, message: OutgoingMessage, messageId: string | undefined): void {
    const start = this.#length
    try {
      this.#publish(channel, message)
      this.#header(channel, frameMax, message, messageId)
      this.#body(channel, frameMax, message.body)
    } catch (error) {
      this.#length = start
      throw error
    }
  }

  ack(channel: number, deliveryTag: number, multiple: boolean): void {
    const start = this.#begin(method, channel)
    this.#u32((basic << 16) | basicAck)
    this.#u64(deliveryTag)
    this.#u8(multiple ? 1 : 0)
    this.#end(start)
  }

  #publish(channel: number, { exchange, routingKey, mandatory }: OutgoingMessage): void {
    const start = this.#begin(method, channel)
    this.#u32((basic << 16) | basicPublish)
    this.#room(2)
    this.#bytes[this.#length++] = 0
    this.#bytes[this.#length++] = 0
    this.#shortText(exchange, 'exchange')
    this.#shortText(routingKey, 'routing key')
    this.#u8(mandatory === true ? 1 : 0)
    this.#end(start)
  }

  #header(
    channel: number,
    frameMax: number,
    { properties, headers, contentType, contentEncoding, body: content }: OutgoingMessage,
    messageId: string | undefined,
  ): void {
    const { deliveryMode = 2, priority, correlationId, replyTo, expiration } = properties
    const start = this.#begin(header, channel)
    this.#u32(basic << 16)
    this.#u64(content.length)
    this.#room(2)
    // contentType, contentEncoding, headers, deliveryMode, then those that may be missing.
    let flags = 0xf000
    if (priority !== undefined) flags |= 0x0800
    if (correlationId !== undefined) flags |= 0x0400
    if (replyTo !== undefined) flags |= 0x0200
    if (expiration !== undefined) flags |= 0x0100
    if (messageId !== undefined) flags |= 0x0080
    this.#bytes[this.#length++] = flags >> 8
    this.#bytes[this.#length++] = flags & 0xff
    this.#shortText(contentType, 'content type')
    this.#shortText(contentEncoding, 'content encoding')
    this.#table(headers, undefined, 0)
    this.#u8(deliveryMode)
    if (priority !== undefined) this.#u8(Math.min(255, Math.max(0, Math.floor(priority))))
    if (correlationId !== undefined) this.#shortText(correlationId, 'correlation id')
    if (replyTo !== undefined) this.#shortText(replyTo, 'reply-to')
    if (expiration !== undefined) this.#shortText(expiration, 'expiration')
    if (messageId !== undefined) this.#shortText(messageId, 'message id')
    // Headers, unlike the body, cannot be spread over several frames.
    if (this.#length - start > frameMax - frameOverhead) {
      throw new EncodeError(
        `The headers take ${this.#length - start} bytes, and RabbitMQ takes ${frameMax - frameOverhead} (frameMax): keep large values in the arguments`,
      )
    }
    this.#end(start)
  }

  #body(channel: number, frameMax: number, content: Uint8Array): void {
    const most = Math.max(1, frameMax - frameOverhead)
    for (let from = 0; from < content.length; from += most) {
      const piece =
        from === 0 && content.length <= most
          ? content
          : content.subarray(from, Math.min(content.length, from + most))
      const start = this.#begin(body, channel)
      this.#room(piece.length)
      this.#bytes.set(piece, this.#length)
      this.#length += piece.length
      this.#end(start)
    }
  }

  // ---- frames --------------------------------------------------------------------------------------------------------

  #begin(type: number, channel: number): number {
    this.#room(7)
    const bytes = this.#bytes
    bytes[this.#length++] = type
    bytes[this.#length++] = channel >> 8
    bytes[this.#length++] = channel & 0xff
    this.#length += 4
    return this.#length
  }

  #end(start: number): void {
    this.#u32At(start - 4, this.#length - start)
    this.#u8(frameEnd)
  }

  // ---- tables --------------------------------------------------------------------------------------------------------

  /** `path`: of this table, where it is not the headers themselves. */
  #table(table: Readonly<Record<string, unknown>>, path: string | undefined, depth: number): void {
    if (depth > deepest) throw refused('is cyclic or nested deeper than 100', path ?? '')
    this.#room(4)
    this.#length += 4
    const start = this.#length
    for (const name of Object.keys(table)) {
      const value = table[name]
      if (value === undefined) continue
      this.#name(name, path)
      this.#value(value, name, path, depth)
    }
    this.#u32At(start - 4, this.#length - start)
  }

  #name(name: string, path: string | undefined): void {
    let known = names.get(name)
    if (known === undefined) {
      const text = Buffer.from(name)
      if (text.length > 255) throw refused('has a name longer than 255 bytes', where(path, name))
      known = Buffer.concat([Buffer.from([text.length]), text])
      // Names of other people's headers may be without end.
      if (names.size < mostNames) names.set(name, known)
    }
    this.#room(known.length)
    const bytes = this.#bytes
    const at = this.#length
    for (let index = 0; index < known.length; index++) bytes[at + index] = known[index]!
    this.#length = at + known.length
  }

  #value(value: unknown, name: string, path: string | undefined, depth: number): void {
    switch (typeof value) {
      case 'string':
        this.#longText(value)
        return
      case 'number':
        this.#number(value)
        return
      case 'boolean':
        this.#room(2)
        this.#bytes[this.#length++] = 0x74 // t
        this.#bytes[this.#length++] = value ? 1 : 0
        return
      case 'bigint':
        if (BigInt.asIntN(64, value) !== value) throw refused('does not fit into 64 bits', where(path, name))
        this.#room(9)
        this.#bytes[this.#length++] = 0x6c // l
        this.#length = this.#bytes.writeBigInt64BE(value, this.#length)
        return
      case 'object':
        this.#object(value, name, path, depth)
        return
      default:
        throw refused(`is a ${typeof value}`, where(path, name))
    }
  }

  #object(value: object | null, name: string, path: string | undefined, depth: number): void {
    if (value === null) {
      this.#u8(0x56) // V
    } else if (Array.isArray(value)) {
      this.#list(value, where(path, name), depth)
    } else if (isRawJson(value)) {
      this.#value(resolveRawJson(value), name, path, depth)
    } else if (value instanceof PyFloat) {
      this.#double(value.value)
    } else if (value instanceof Uint8Array) {
      this.#room(5 + value.length)
      this.#bytes[this.#length++] = 0x78 // x
      this.#u32(value.length)
      this.#bytes.set(value, this.#length)
      this.#length += value.length
    } else if (value instanceof Date) {
      this.#room(9)
      this.#bytes[this.#length++] = 0x54 // T
      this.#length = this.#bytes.writeBigUInt64BE(
        BigInt.asUintN(64, BigInt(Math.floor(value.getTime() / 1000))),
        this.#length,
      )
    } else {
      this.#u8(0x46) // F
      this.#table(value as Readonly<Record<string, unknown>>, where(path, name), depth + 1)
    }
  }

  #list(list: readonly unknown[], path: string, depth: number): void {
    if (depth > deepest) throw refused('is cyclic or nested deeper than 100', path)
    this.#room(5)
    this.#bytes[this.#length++] = 0x41 // A
    this.#length += 4
    const start = this.#length
    for (let index = 0; index < list.length; index++)
      this.#value(list[index] ?? null, `[${index}]`, path, depth + 1)
    this.#u32At(start - 4, this.#length - start)
  }

  #number(value: number): void {
    if (!Number.isSafeInteger(value)) return this.#double(value)
    if (value >= -0x8000_0000 && value < 0x8000_0000) {
      this.#room(5)
      this.#bytes[this.#length++] = 0x49 // I
      this.#u32(value)
      return
    }
    this.#room(9)
    this.#bytes[this.#length++] = 0x6c // l
    this.#length = this.#bytes.writeBigInt64BE(BigInt(value), this.#length)
  }

  #double(value: number): void {
    this.#room(9)
    this.#bytes[this.#length++] = 0x64 // d
    this.#length = this.#bytes.writeDoubleBE(value, this.#length)
  }

  // ---- bytes ---------------------------------------------------------------------------------------------------------

  #longText(text: string): void {
    // UTF-8 takes at most three bytes for each unit.
    this.#room(5 + text.length * 3)
    this.#bytes[this.#length++] = 0x53 // S
    const start = this.#length + 4
    const written = this.#bytes.write(text, start, 'utf8')
    this.#u32At(start - 4, written)
    this.#length = start + written
  }

  #shortText(text: string, what: string): void {
    this.#room(1 + text.length * 3)
    const start = this.#length + 1
    const written = text === '' ? 0 : this.#bytes.write(text, start, 'utf8')
    if (written > 255) {
      throw new EncodeError(
        `The ${what} ${JSON.stringify(text.slice(0, 40))}… is longer than 255 bytes, which is all that AMQP allows`,
      )
    }
    this.#bytes[start - 1] = written
    this.#length = start + written
  }

  #u8(value: number): void {
    this.#room(1)
    this.#bytes[this.#length++] = value
  }

  #u32(value: number): void {
    this.#room(4)
    this.#u32At(this.#length, value)
    this.#length += 4
  }

  #u32At(at: number, value: number): void {
    const bytes = this.#bytes
    bytes[at] = value >>> 24
    bytes[at + 1] = (value >>> 16) & 0xff
    bytes[at + 2] = (value >>> 8) & 0xff
    bytes[at + 3] = value & 0xff
  }

  #u64(value: number): void {
    this.#u32(Math.floor(value / 0x1_0000_0000))
    this.#u32(value >>> 0)
  }

  #room(bytes: number): void {
    const wanted = this.#length + bytes
    if (wanted <= this.#bytes.length) return
    const larger = Buffer.allocUnsafeSlow(Math.max(wanted, this.#bytes.length * 2))
    this.#bytes.copy(larger, 0, 0, this.#length)
    this.#bytes = larger
  }
}

function where(path: string | undefined, name: string): string {
  if (path === undefined) return name
  return name.startsWith('[') ? `${path}${name}` : `${path}.${name}`
}

function refused(why: string, path: string): EncodeError {
  return new EncodeError(`The value at ${path} ${why}; AMQP headers cannot hold it`, { details: { path } })
}
