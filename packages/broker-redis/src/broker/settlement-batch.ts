/** The settlements of one turn of the event loop: they go to the server in one script, and share one promise. */
import type { Buffer } from 'node:buffer'
import type { ChordProgress, EnvelopeReader } from '@ct/contracts'
import { progressOf, type RecordCall } from '../backend/chord-part.ts'
import type { Argument, PackedArgument } from '../connection/link.ts'
import type { StoreWrite } from '../stored-success.ts'
import type { ListPush } from './list-push.ts'
import type { Source } from './sources.ts'

/** Back into a list, or into a parked one. */
export interface Move {
  /** '' when nothing is filed in `unacked`. */
  readonly tag: string
  readonly side: 'L' | 'R'
  readonly list: string
  /** '' moves the item as it was taken; `tailBytes` is what to cut off its entry. */
  readonly text: string
  readonly tailBytes: number
}

export interface SettledPart {
  readonly call: RecordCall
  readonly onRecorded: (progress: ChordProgress) => void
}

/** An ack with more than one result, or with what follows from the task. */
export interface FullSettlement {
  /** '' when nothing is filed in `unacked`. */
  readonly tag: string
  readonly writes: readonly StoreWrite[]
  readonly part: SettledPart | undefined
  readonly pushes: readonly ListPush[]
  /** The one message may be handed out before the step is answered, if this still leads to something when the step goes out. */
  readonly ahead: { readonly leads: boolean } | undefined
}

/** What follows an item in its entry of `unacked`. */
export interface Tail {
  readonly tail: string
  readonly tailBytes: number
}

const openingBrace = 0x7b
const mostSettlements = 1000
const mostBytes = 8 * 1024 * 1024

export class SettlementBatch {
  /**
   * Nearly all: one result that nobody has looked at, kept as long as the others of this batch, and the ack of its task. Three strings
   * each, side by side: tag, key, document.
   */
  readonly #plain: (string | Buffer)[] = []
  #ttl = ''
  readonly #full: FullSettlement[] = []
  /** Lists that get messages. */
  readonly lists = new Set<string>()
  readonly #acks: string[] = []
  readonly #forget: (readonly [tag: string, messageId: string])[] = []
  readonly #moves: Move[] = []
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void
  #bytes = 0

  constructor() {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    // Nobody has to look at a settlement's promise.
    promise.catch(() => undefined)
    this.promise = promise
    this.resolve = resolve
    this.reject = reject
  }

  get size(): number {
    return (
      this.#plain.length / 3 +
      this.#full.length +
      this.#acks.length +
      this.#forget.length +
      this.#moves.length
    )
  }

  get isFull(): boolean {
    return this.size >= mostSettlements || this.#bytes >= mostBytes
  }

  addAck(tag: string): void {
    this.#acks.push(tag)
  }

  /** An ack with one result; `tag` is not ''. */
  addWithResult(tag: string, write: StoreWrite): void {
    if (this.#plain.length === 0) this.#ttl = write.ttl
    if (write.ttl !== this.#ttl) {
      this.addFull({ tag, writes: [write], part: undefined, pushes: [], ahead: undefined })
      return
    }
    this.#plain.push(tag, write.key, write.document)
    this.#bytes += write.document.length
  }

  addFull(settlement: FullSettlement): void {
    this.#full.push(settlement)
    for (const { document } of settlement.writes) this.#bytes += document.length
    for (const { list, pieces } of settlement.pushes) {
      for (const { length } of pieces) this.#bytes += length
      this.lists.add(list)
    }
  }

  /** The count of starts of this message goes, unless somebody else has the message by now. */
  addForget(tag: string, messageId: string): void {
    this.#forget.push([tag, messageId])
  }

  addMove(move: Move): void {
    this.#moves.push(move)
    this.#bytes += move.text.length
  }

  /** First in line: what was taken last has to go back to the front before what was taken earlier. */
  addMoveBefore(move: Move): void {
    this.#moves.unshift(move)
    this.#bytes += move.text.length
  }

  /** Tells what became of the parts: index of the settlement, and the three numbers of `scripts/record-part.ts`, each. */
  recorded(reply: readonly number[]): void {
    for (let at = 0; at + 3 < reply.length; at += 4) {
      const part = this.settlement(reply[at] as number)?.part
      part?.onRecorded(progressOf(reply.slice(at + 1, at + 4), part.call.token))
    }
  }

  /** The settlement with results that the script calls by this index, from 1. */
  settlement(index: number): FullSettlement | undefined {
    const plain = this.#plain.length / 3
    if (index > plain) return this.#full[index - plain - 1]
    const [tag, key, document] = this.#plain.slice(3 * index - 3, 3 * index) as [string, string, Buffer]
    return {
      tag,
      writes: [{ key, ttl: this.#ttl, guard: '', document }],
      part: undefined,
      pushes: [],
      ahead: undefined,
    }
  }

  /** The message that the script calls by this number, from 1. */
  pushed(number: number): ListPush {
    let left = number
    for (const { pushes } of this.#full) {
      if (left <= pushes.length) return pushes[left - 1] as ListPush
      left -= pushes.length
    }
    throw new RangeError(`There is no message ${number} in this batch`)
  }

  /** Messages for these lists that may be handed out before the step is answered, in their order. */
  mayGoAhead(lists: ReadonlyMap<string, Source>, most: number): readonly ListPush[] {
    // What is put back in the same step lies before what follows.
    if (this.#moves.length > 0) return []
    const found: ListPush[] = []
    for (const { ahead, writes, part, pushes } of this.#full) {
      const [push] = pushes
      if (found.length >= most) break
      // What is stored of this task is probably in the same form: who has to look at it first does not know for longer what happened.
      if (writes.some(({ document }) => document[0] !== openingBrace)) continue
      if (ahead?.leads !== true || part !== undefined || pushes.length !== 1 || push === undefined) continue
      if (push.ahead === undefined && lists.get(push.list)?.expiresMs === 0) found.push(push)
    }
    return found
  }

  /** Opens what is likely to come back, while the server works. */
  open(lists: ReadonlyMap<string, unknown>, reader: EnvelopeReader): void {
    for (const { pushes } of this.#full)
      for (const push of pushes) if (lists.has(push.list)) push.open(reader)
  }

  /** ARGV 1…6 of `scripts/settle-and-claim.ts`. */
  get counts(): readonly Argument[] {
    return [
      this.#plain.length / 3,
      this.#ttl,
      this.#full.length,
      this.#acks.length,
      this.#forget.length,
      this.#moves.length,
    ]
  }

  /** The parts of KEYS and ARGV that say what is settled. `tails`: of the lists from which a message is likely to be taken in the same step. */
  write(keys: Argument[], args: PackedArgument[], tails?: ReadonlyMap<string, Tail>): void {
    const plain = this.#plain
    for (let at = 0; at < plain.length; at += 3) {
      keys.push(plain[at + 1] as string)
      args.push(plain[at] as string, plain[at + 2] as Buffer)
    }
    for (const { tag, writes, part, pushes } of this.#full) {
      args.push(tag, writes.length, part === undefined ? 0 : 1, pushes.length)
      for (const { key, ttl, guard, document } of writes) {
        keys.push(key)
        args.push(ttl, guard, document)
      }
      if (part !== undefined) {
        keys.push(...part.call.keys)
        args.push(...part.call.args)
      }
      for (const { list, pieces, expiresMs, ahead } of pushes) {
        keys.push(list)
        const its = ahead?.source ?? tails?.get(list)
        if (its === undefined) args.push(pieces, expiresMs, 0, '')
        else args.push(['[', ...pieces, its.tail], expiresMs, its.tailBytes, ahead?.tag ?? '')
      }
    }
    for (const tag of this.#acks) args.push(tag)
    for (const pair of this.#forget) args.push(...pair)
    for (const { tag, side, list, text, tailBytes } of this.#moves) {
      keys.push(list)
      args.push(tag, side, text, tailBytes)
    }
  }
}
