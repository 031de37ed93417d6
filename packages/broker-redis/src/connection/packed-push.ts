/**
 * An LPUSH whose values are put together as they come, as bytes at their place in the packet: no text of theirs is kept until it is sent, which
 * for a turn of many messages is most of what a collection of garbage would have to copy.
 */
import { Buffer } from 'node:buffer'
import { Command } from 'ioredis'

/** Bytes before the first value: the longest count of arguments, the name of the command, and the name of the list. */
const headBytes = 64
const smallestBytes = 16 * 1024

export class PackedPush extends Command {
  readonly #list: string
  #count = 0
  /** Of most there is no second one. */
  #only = ''
  #bytes: Buffer | undefined
  #start = 0
  #end = 0

  constructor(list: string) {
    super('lpush', [])
    this.#list = list
  }

  get count(): number {
    return this.#count
  }

  /** ASCII, as envelopes are. */
  add(value: string): void {
    if (this.#count++ === 0) {
      this.#only = value
      return
    }
    if (this.#count === 2) {
      this.#start = headBytes + Buffer.byteLength(this.#list)
      this.#bytes = Buffer.allocUnsafeSlow(
        Math.max(smallestBytes, this.#start + 4 * (this.#only.length + value.length)),
      )
      this.#end = this.#start
      this.#append(this.#only)
      this.#only = ''
    }
    this.#append(value)
  }

  #append(value: string): void {
    const head = '$' + value.length + '\r\n'
    const needed = head.length + value.length + 2
    let bytes = this.#bytes!
    if (this.#end + needed > bytes.length) {
      const larger = Buffer.allocUnsafeSlow(Math.max(2 * bytes.length, this.#end + needed))
      bytes.copy(larger, this.#start, this.#start, this.#end)
      this.#bytes = bytes = larger
    }
    this.#end += bytes.write(head + value + '\r\n', this.#end, needed, 'latin1')
  }

  override toWritable(): Buffer {
    const list = Buffer.from(this.#list).toString('latin1')
    const head = `*${this.#count + 2}\r\n$5\r\nlpush\r\n$${list.length}\r\n${list}\r\n`
    if (this.#bytes === undefined)
      return Buffer.from(head + '$' + this.#only.length + '\r\n' + this.#only + '\r\n', 'latin1')
    const from = this.#start - head.length
    this.#bytes.write(head, from, head.length, 'latin1')
    return this.#bytes.subarray(from, this.#end)
  }
}
