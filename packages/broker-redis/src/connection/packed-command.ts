/**
 * A command as one piece of bytes. The driver writes each argument that is a Buffer by itself, which for a script with a thousand arguments
 * is a thousand small writes; here all of them are put together as text whose characters are bytes, and copied once.
 */
import { Buffer } from 'node:buffer'
import { Command } from 'ioredis'

/** Strings are UTF-8 on the wire, Buffers go as they are. */
export type Argument = string | Buffer | number

export class PackedCommand extends Command {
  readonly #packet: Buffer

  constructor(name: string, args: readonly Argument[]) {
    super(name, [])
    this.#packet = pack(name, args)
  }

  override toWritable(): Buffer {
    return this.#packet
  }
}

/** What is longer is copied to its place by itself: put together with the others it would be copied twice. */
const long = 2048

function pack(name: string, args: readonly Argument[]): Buffer {
  let text = `*${args.length + 1}\r\n$${name.length}\r\n${name}\r\n`
  let pieces: string[] | undefined
  let length = 0
  for (let at = 0; at < args.length; at++) {
    const bytes = bytesOf(args[at] as Argument)
    if (bytes.length < long) {
      text += '$' + bytes.length + '\r\n' + bytes + '\r\n'
      continue
    }
    text += '$' + bytes.length + '\r\n'
    length += text.length + bytes.length
    ;(pieces ??= []).push(text, bytes)
    text = '\r\n'
  }
  if (pieces === undefined) return Buffer.from(text, 'latin1')
  const packet = Buffer.allocUnsafe(length + text.length)
  let end = 0
  for (const piece of pieces) end += packet.write(piece, end, 'latin1')
  packet.write(text, end, 'latin1')
  return packet
}

/** One character per byte. */
function bytesOf(argument: Argument): string {
  if (typeof argument === 'string')
    return Buffer.byteLength(argument) === argument.length
      ? argument
      : Buffer.from(argument, 'utf8').toString('latin1')
  return typeof argument === 'number' ? String(argument) : argument.toString('latin1')
}
