/** The settlements of one turn of the event loop: they go to the server in one script, and share one promise. */
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
  readonly tag: string
  readonly writes: readonly StoreWrite[]
}

export class SettlementBatch {
  readonly withResults: SettlementWithResults[] = []
  readonly acks: string[] = []
  /** Message ids whose start count goes. */
  readonly forget: string[] = []
  readonly moves: Move[] = []
  readonly promise: Promise<void>
  readonly resolve: () => void
  readonly reject: (error: unknown) => void

  constructor() {
    const { promise, resolve, reject } = Promise.withResolvers<void>()
    // Nobody has to look at a settlement's promise.
    promise.catch(() => undefined)
    this.promise = promise
    this.resolve = resolve
    this.reject = reject
  }

  get size(): number {
    return this.withResults.length + this.acks.length + this.forget.length + this.moves.length
  }
}
