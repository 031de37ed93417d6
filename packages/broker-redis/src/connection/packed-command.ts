/**
 * A command as one piece of bytes. The driver writes each argument that is a Buffer by itself, which for a script with a thousand arguments
 * is a thousand small writes; here all of them are put together as text whose characters are bytes, and copied once.
 */
import { Buffer } from 'node:buffer'
import { Command } from 'ioredis'

/** Strings are UTF-8 on the wire, Buffers go as they are. */
export type Argument = string | Buffer | number
/** Or strings that follow each other. */
export type PackedArgument = Argument | readonly string[]

export class PackedCommand extends Command {
  readonly #packet: Buffer

  constructor(name: string, args: readonly PackedArgument[]) {
    super(name, [])
    this.#packet = pack(name, args)
  }

  override toWritable(): Buffer {
    return this.#packet
  }
}

/** What is longer is copied to its place by itself: put together with the others it would be copied twice. */
const long = 2048

function pack(name: string, args: readonly PackedArgument[]): Buffer {
  const packet = new Packet(`*${args.length + 1}\r\n$${name.length}\r\n${name}\r\n`)
  for (let at = 0; at < args.length; at++) {
    const argument = args[at] as PackedArgument
    if (typeof argument !== 'object' || Buffer.isBuffer(argument)) {
      const bytes = bytesOf(argument)
      packet.add('$' + bytes.length + '\r\n')
      packet.add(bytes)
    } else {
      const parts = argument.map(bytesOf)
      packet.add('$' + parts.reduce((length, part) => length + part.length, 0) + '\r\n')
      for (const part of parts) packet.add(part)
    }
    packet.add('\r\n')
  }
  return packet.bytes()
}

/** Text is gathered, what is long is kept apart. */
class Packet {
  #text: string
  #pieces: string[] | undefined
  #length = 0

  constructor(text: string) {
    this.#text = text
  }

  add(bytes: string): void {
    if (bytes.length < long) {
      this.#text += bytes
      return
    }
    ;(this.#pieces ??= []).push(this.#text, bytes)
    this.#length += this.#text.length + bytes.length
    this.#text = ''
  }

  bytes(): Buffer {
    if (this.#pieces === undefined) return Buffer.from(this.#text, 'latin1')
    const packet = Buffer.allocUnsafe(this.#length + this.#text.length)
    let end = 0
    for (const piece of this.#pieces) end += packet.write(piece, end, 'latin1')
    packet.write(this.#text, end, 'latin1')
    return packet
  }
}

/** One character per byte. */
function bytesOf(argument: Argument): string {
  if (typeof argument === 'string')
    return Buffer.byteLength(argument) === argument.length
      ? argument
      : Buffer.from(argument, 'utf8').toString('latin1')
  return typeof argument === 'number' ? String(argument) : argument.toString('latin1')
}
