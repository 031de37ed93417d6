/**
 * What a small adapter writes; `defineVirtualBroker` makes a full `Broker` of it.
 *
 * A store knows queues of texts and nothing else. It needs no exchanges, no envelope, no credit, no batching, no settle-once, no parking:
 * those are the kit's. Every method that is optional here has a fallback there.
 *
 *   put ──► ready ──take──► held ──settle──► gone (ack, reject)
 *             ▲               │   └────────► ready (requeue, release)
 *             └─ lease ran out / holder died ┘
 *
 * Duties
 *  V1  `openStore` resolves when a `put` could succeed. Rejects with `BrokerUnavailableError` when the server is not there,
 *      `BrokerError` when it refuses us. It opens what it needs; `close` leaves nothing open and never rejects.
 *  V2  `put` answers one outcome per message, in order, and keeps the order within a queue where `capabilities.ordered`. A rejection means that nothing is known.
 *      Errors may be `PublishError`s that know whether the message was taken; any other is taken to mean "maybe".
 *  V3  `take` moves at most `max` messages from ready to held, in one step each: no moment in which a message is in neither state. It
 *      looks at `queues` in the order given. It waits up to `waitMs` where the store can be woken, and returns `[]` where it cannot.
 *  V4  When the signal of `take` fires, it *resolves*, soon, with what it has taken already. It never drops a message that is held. Over
 *      HTTP nobody knows what a request that is hung up on has taken: hang up and let those messages come back with their lease, or let
 *      the request end behind the caller's back and release what it brings.
 *  V5  `settle` answers one outcome per settlement, in order. `ack` and `reject` remove the message and its count for good;
 *      `requeue` makes it ready for anybody, marked redelivered; `release` puts it before others where the store can.
 *      A message that is no longer ours is an error of code `CT_LEASE_LOST` (or success, where the store cannot tell). A retryable error
 *      leaves the message held (B11); any other ends it for the kit, and its lease for the server.
 *  V6  Messages held by a store that is gone come back: when it closes or its connection dies, or when their lease has run out.
 *      They are then `redelivered`.
 *  V7  `receives` counts deliveries of this message, this one included, where the store keeps such a count; else 1, and the store has
 *      `countStart`, whose count lives as long as the message. `capabilities.startCount` says which: `deliveries` or `starts`.
 *  V8  With `leaseMs`: `extendLeases` answers with those that are no longer ours. `restoreExpired` puts back what ran out, and is
 *      called every quarter of a lease; stores whose server does so by itself leave it out.
 *  V9  Loss of the connection is told once through `onLost` (not as a notice too: the kit makes that); calls reject with
 *      `BrokerUnavailableError` from then on.
 *  V10 Errors of the driver come out as `CeleryError`s; what does not is wrapped in a `BrokerError`, not retryable, by the kit. Out of
 *      `take`, where no caller waits for an answer, only a `CeleryError` of the store's own that is not retryable means "these queues are
 *      refused" (`consumer-cancelled`); whatever else comes out of it is the end of the connection.
 *  V11 Queue names are as given, `<queue>.parked` included. A store whose server does not allow them maps them, and hands back those given.
 */
import type { ConnectOptions } from '../lifecycle.ts'
import type { ResultWrite } from '../result-backend.ts'
import type { QueueDeclaration } from '../topology.ts'
import type { Binding, BindingTable } from './bindings.ts'

export interface StoreEvents extends ConnectOptions {
  /** See V9. */
  readonly onLost: (error: Error) => void
}

/** One envelope for one queue. */
export interface StorePut {
  readonly queue: string
  /** Text of the envelope; a store keeps it as it is. */
  readonly payload: string
  /** 0…levels − 1; what is more urgent is the store's (`capabilities.priorities`). */
  readonly priority: number
  /** Epoch ms; only with `capabilities.nativeDelay`, and never farther than that allows. */
  readonly notBefore: number | undefined
  /** Ms after which the message may be dropped; only with `capabilities.messageTtl`. */
  readonly expiresInMs: number | undefined
  /** `properties.extra` of the message: `MessageGroupId`, … */
  readonly extra: Readonly<Record<string, unknown>> | undefined
}

export interface TakeRequest {
  /** One name where `take` is `one-queue`. In order of preference, which rotates. */
  readonly queues: readonly string[]
  readonly max: number
  /** How long the store may wait for a first message: 0, or `Infinity` for "until the signal". */
  readonly waitMs: number
  readonly signal: AbortSignal
}

/** One message that we hold. `Handle` is what the store needs to find it again: receipt handle, row id, ack id. */
export interface TakenMessage<Handle> {
  readonly handle: Handle
  readonly queue: string
  readonly payload: string
  readonly redelivered: boolean
  /** See V7. */
  readonly receives: number
}

export type StoreSettlement<Handle> =
  | {
      readonly action: 'ack' | 'reject'
      readonly taken: TakenMessage<Handle>
      readonly results?: readonly ResultWrite[] | undefined
    }
  /** `payload` is the envelope marked redelivered, for stores that must put a copy. */
  | { readonly action: 'requeue'; readonly taken: TakenMessage<Handle>; readonly payload: string }
  | { readonly action: 'release'; readonly taken: TakenMessage<Handle> }
  /** Only where `capabilities.parking` is `atomic`: remove the message and put `payload` into `queue`, in one step. */
  | {
      readonly action: 'move'
      readonly taken: TakenMessage<Handle>
      readonly queue: string
      readonly payload: string
    }

export interface VirtualStore<Handle = unknown> {
  /** How long a held message stays ours; undefined where it does until the connection ends. */
  readonly leaseMs?: number | undefined
  put(puts: readonly StorePut[]): Promise<readonly (Error | undefined)[]>
  take(request: TakeRequest): Promise<readonly TakenMessage<Handle>[]>
  settle(settlements: readonly StoreSettlement<Handle>[]): Promise<readonly (Error | undefined)[]>
  /** Ready messages. */
  size(queue: string): Promise<number>
  /** Removes the ready messages; resolves to how many. */
  purge(queue: string): Promise<number>
  deleteQueue(queue: string): Promise<void>
  close(): Promise<void>

  /** Creates the queue; repeating it changes nothing. Left out: queues appear by being used. */
  declareQueue?(queue: QueueDeclaration): Promise<void>
  /** Whether the queue is there. Left out: taken to be. Makes `mandatory` and passive declarations mean something. */
  queueExists?(queue: string): Promise<boolean>
  /** Bindings shared with other processes. Left out: this process knows its own. */
  readonly bindings?: BindingTable
  /** A way to publish to everybody at once. Left out: a fanout message is put into each queue bound to its exchange. */
  readonly fanout?: FanoutChannel
  /** A consumer began or ended to read the queue (0: no change); resolves to how many read it now. Lets the kit delete auto-delete queues. */
  countReaders?(queue: string, change: 1 | 0 | -1): Promise<number>
  extendLeases?(taken: readonly TakenMessage<Handle>[]): Promise<readonly TakenMessage<Handle>[]>
  restoreExpired?(): Promise<number>
  /** Adds one to the count of starts and resolves to it. Left out: `receives` is the count. */
  countStart?(taken: TakenMessage<Handle>): Promise<number>
  /** Ready messages of a queue without taking them, in order. Left out: the kit takes and releases. */
  browse?(
    queue: string,
    range: { readonly offset: number; readonly limit: number },
  ): Promise<readonly string[]>
}

/** Broadcast by the server itself (SNS, Pub/Sub topics, MongoDB's capped collection). Nothing is kept for those who are not there. */
export interface FanoutChannel {
  publish(exchange: string, routingKey: string, payload: string): Promise<void>
  /** Resolves when what is published to the exchange from now on will come out of `take` of this queue. `deleteQueue` ends it. */
  bind(binding: Binding): Promise<void>
}
