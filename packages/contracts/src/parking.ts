/**
 * Parked messages: what nobody could work. They sit in `<queue>.parked`, an ordinary queue of the broker, each still a complete
 * message with the header `x-ct-parked` beside its own.
 */
import type { CallOptions } from './broker.ts'
import type { HeaderTable } from './message.ts'

/** Suffix of the queue that holds the parked messages of a queue. */
export const parkedSuffix = '.parked'

/** Name of the header that tells why a message is parked: {@link ParkedHistory} as data. */
export const parkedHeader = 'x-ct-parked'

export interface ParkedHistory {
  /** `max-deliveries`, `malformed`, or what a user gave. */
  readonly reason: string
  /** Starts counted before parking. */
  readonly starts: number
  /** ISO 8601, UTC. */
  readonly parkedAt: string
  /** Node name of the worker that parked it, where known. */
  readonly by?: string
  /** Queue it came from. */
  readonly queue: string
}

export interface ParkedMessage {
  /** Opaque; valid until the message is retried or dropped. */
  readonly id: string
  readonly taskId: string | undefined
  readonly taskName: string | undefined
  readonly history: ParkedHistory
  readonly headers: HeaderTable
  readonly body: Uint8Array
  /** False when the message is not even an envelope: it can be shown and dropped, not retried. */
  readonly retryable: boolean
}

export interface ParkedMessages {
  /** Queues that have parked messages, with their number, as far as the broker can tell from these queue names. */
  count(queues: readonly string[], options?: CallOptions): Promise<ReadonlyMap<string, number>>
  /** Oldest first. */
  list(
    queue: string,
    options?: CallOptions & { readonly limit?: number; readonly offset?: number },
  ): Promise<readonly ParkedMessage[]>
  /** Puts them back into their queue with the count at zero; resolves to how many were found. */
  retry(queue: string, ids: readonly string[], options?: CallOptions): Promise<number>
  drop(queue: string, ids: readonly string[], options?: CallOptions): Promise<number>
}
