/**
 * What an adapter notices by itself and core should know. A closed union: core handles every kind, adapters add none.
 * Adapters do not log, retry or emit events; they report here and core does the rest.
 */
export type Notice =
  /** The connection is gone and will not come back by itself: core makes a new one. Of a kit's store it is the kit that tells (V9, K8). */
  | { readonly kind: 'connection-lost'; readonly error: Error }
  /** The broker told us to stop publishing for a while (AMQP `connection.blocked`, Redis OOM), or that it is over. */
  | { readonly kind: 'connection-blocked'; readonly reason: string }
  | { readonly kind: 'connection-unblocked' }
  /**
   * The broker ended a subscription (queue deleted, leader moved), or all of a consumer's by ending its channel while the connection lives:
   * then one notice for each of its queues, and what it held comes back. Core re-declares and subscribes again.
   */
  | { readonly kind: 'consumer-cancelled'; readonly queue: string; readonly reason: string }
  /** Messages whose lease ran out were put back for everybody. */
  | { readonly kind: 'restored'; readonly count: number }
  /** A message could not even be read as an envelope; it was parked (in `parkedIn`) or, where that is impossible, discarded. */
  | {
      readonly kind: 'malformed'
      readonly queue: string
      readonly reason: string
      /** At most 1,024 characters of the raw message, for the log. */
      readonly excerpt: string
      readonly parkedIn: string | undefined
    }
  /** Leases that could not be renewed because somebody else has the messages now. */
  | { readonly kind: 'lease-lost'; readonly tags: readonly string[] }
  /** Something the operator should know once, such as a missing server feature and what ct does instead. */
  | { readonly kind: 'warning'; readonly message: string }

export type NoticeListener = (notice: Notice) => void
