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

function pack(name: string, args: readonly Argument[]): Buffer {
  let packet = `*${args.length + 1}\r\n$${name.length}\r\n${name}\r\n`
  for (let at = 0; at < args.length; at++) {
    const bytes = bytesOf(args[at] as Argument)
    packet += '$' + bytes.length + '\r\n' + bytes + '\r\n'
  }
  return Buffer.from(packet, 'latin1')
}

/** One character per byte. */
function bytesOf(argument: Argument): string {
  if (typeof argument === 'string')
    return Buffer.byteLength(argument) === argument.length
      ? argument
      : Buffer.from(argument, 'utf8').toString('latin1')
  return typeof argument === 'number' ? String(argument) : argument.toString('latin1')
}
