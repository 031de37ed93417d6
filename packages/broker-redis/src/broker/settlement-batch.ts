/** The settlements of one turn of the event loop: they go to the server in one script, and share one promise. */
import type { Argument } from '../connection/link.ts'
import type { StoreWrite } from '../stored-success.ts'

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

export interface SettlementWithResults {
  /** '' when nothing is filed in `unacked`. */
  readonly tag: string
  readonly writes: readonly StoreWrite[]
}

const mostSettlements = 1000
const mostBytes = 8 * 1024 * 1024

export class SettlementBatch {
  readonly withResults: SettlementWithResults[] = []
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
    return this.withResults.length + this.#acks.length + this.#forget.length + this.#moves.length
  }

  get isFull(): boolean {
    return this.size >= mostSettlements || this.#bytes >= mostBytes
  }

  addAck(tag: string): void {
    this.#acks.push(tag)
  }

  addWithResults(settlement: SettlementWithResults): void {
    this.withResults.push(settlement)
    for (const { document } of settlement.writes) this.#bytes += document.length
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

  /** ARGV 1…4 of `scripts/settle-and-claim.ts`. */
  get counts(): readonly number[] {
    return [this.withResults.length, this.#acks.length, this.#forget.length, this.#moves.length]
  }

  /** The parts of KEYS and ARGV that say what is settled. */
  write(keys: Argument[], args: Argument[]): void {
    for (const { tag, writes } of this.withResults) {
      args.push(tag, writes.length)
      for (const { key, ttl, guard, document } of writes) {
        keys.push(key)
        args.push(ttl, guard, document)
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
