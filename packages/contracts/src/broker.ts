/**
 * Contract: Broker. Takes messages, keeps them, hands them out, and forgets them when they are settled.
 *
 * Shaped against Redis (lists and scripts) and AMQP (channels and confirms); SQS, Pub/Sub, SQL and memory get there
 * through `@ct/contracts/broker-kit`. See docs/adr/0001-broker-contract.md for what each needs.
 *
 *                 connect()                     openConsumer()
 *   Broker ────────────────► BrokerConnection ────────────────► Consumer ──onDelivery──► Delivery.settle()
 *   (pure)                    declare, publish                   subscribe, credit
 *
 * A connection that is lost stays lost: it reports `connection-lost` once, every later call on it rejects with
 * `BrokerUnavailableError`, and core makes a new one. Adapters never reconnect, retry, log or emit events.
 *
 * Duties (the conformance suite of `@ct/testing` has a test of each number)
 *  B1  Making a broker opens nothing: no socket, no timer, no file.
 *  B2  `connect` resolves when a publish could be confirmed, rejects with a retryable `BrokerUnavailableError` when the server is
 *      not there, with `BrokerError` when it refuses us (credentials), with `AbortedError` when the signal fires, with `ClosedError` when the
 *      broker is closed meanwhile.
 *  B3  `close` on broker, connection or consumer: idempotent, legal at any moment, never rejects, leaves nothing open.
 *  B4  `publish` resolves only when the broker has taken responsibility (as far as `capabilities.confirms` says), and rejects with
 *      `PublishError` whose `maybeDelivered` tells what is known. A message to a queue that was never declared is kept where
 *      the broker allows it (`capabilities.queuesOnPublish`). What no queue is bound for is dropped, as in AMQP, unless it is `mandatory`;
 *      a queue that the message itself makes counts as one that takes it. Where bindings are known to the process that declared them only
 *      (kits without a `BindingTable`), a process declares what it publishes to.
 *  B5  `publishMany` reports per message; one refused message does not stop the others; order within a queue is kept.
 *  B6  Body bytes, content type and encoding, headers and properties arrive as they were sent, unknown headers included.
 *  B7  Direct, topic and fanout exchanges route as AMQP routes them, as far as `capabilities.exchanges` says, and by the bindings that this
 *      process has declared at least. A passive declaration rejects with `CT_QUEUE_NOT_FOUND` where the broker can tell.
 *  B8  Never more than `credit` deliveries of one consumer are unsettled at a time; `setCredit` works at once, downwards by attrition.
 *      Delivered is what `onDelivery` was given: an adapter whose server divides the budget per queue (AMQP) may hold more in its hands, and
 *      gives back what it does not deliver.
 *      What needs no acks (`noAck`) uses none, but a spent credit may hold it back: core reads such queues by a consumer without limit.
 *  B9  Each message goes to one consumer of its queue; messages of one priority come in order of publishing, where
 *      `capabilities.ordered` (redelivered ones may come earlier or later).
 *  B10 Priorities as `capabilities.priorities` says.
 *  B11 `settle` happens once per delivery: a second call changes nothing and returns the first call's promise. One exception: a broker that
 *      answers each settlement may refuse one for the moment (a retryable error, over a connection that lives); the message is then still
 *      held, `settled` is false again, and the next settlement counts. A settlement resolves when the broker has answered it, or, where it
 *      answers none (AMQP), when it is written; `flush` waits for what makes certain that all have arrived, such as a round trip behind them.
 *  B12 `ack` and `reject` make the message gone for good. `requeue` puts it back for anybody, marked redelivered. `release` puts
 *      back a message that was never started, before others where the broker can, not marked where the broker can.
 *  B13 A message held by a consumer that died is given to somebody else, marked redelivered: at once or when its lease ran out.
 *  B14 There is no moment at which a confirmed message is neither in a queue nor held by somebody the broker knows about.
 *  B15 With `capabilities.lease`: `extendLeases` keeps held messages ours and returns those that are no longer.
 *  B16 With `capabilities.settleAcrossConnections`: `adopt` takes over deliveries of an earlier consumer of the same broker
 *      object, returns those that are not ours any more, and the others can be settled as ever, also those whose settlement
 *      failed with the earlier connection.
 *  B17 `countStart` adds one to the durable count of starts of this message and returns it; the count dies with the message. It counts
 *      what `capabilities.startCount` says.
 *      Rejects with `CT_LEASE_LOST`, and counts nothing, where it can tell that somebody else has the message now.
 *  B18 `park` moves the message to `<queue>.parked` together with its history, in one step where `capabilities.parking` is
 *      `atomic`; parked messages can be listed, retried (back to their queue, count at zero) and dropped.
 *      A message that is too large to carry a history is parked without. Names that a server does not allow (a dot in SQS) are mapped by the
 *      adapter, which hands back the name it was given.
 *  B19 A message that is not even an envelope costs one `malformed` notice, is parked raw where possible, and stops nothing.
 *  B20 `cancel`, `pause` and `stop` take effect for messages not yet delivered; what was delivered can still be settled.
 *  B21 An idle consumer does not poll, except as `capabilities.wakeUp` = `poll` admits. A message for any of its queues is delivered
 *      without waiting for a batch to fill.
 *  B22 `purge` removes what is ready and tells how many, as exactly as `capabilities.queueSize` says; what is held stays, where the broker can
 *      tell the two apart (SQS cannot). `queueSize` counts what is ready; of a queue that does not exist it is 0, also where
 *      one has to be declared first. `queueSize` `none` rejects with `CT_UNSUPPORTED`.
 *  B23 Fanout consumers (`noAck`) receive what is published after `subscribe` has resolved.
 *  B24 Driver errors come out as ours, with `cause` and `retryable`.
 *  B25 With `settlesWith(backend)`: the result writes of a settlement and the ack take effect in one step, and a stored SUCCESS is
 *      never overwritten. The writes count also where the message is somebody else's by now: the task did end so. `settlesWith` is asked with
 *      any backend, and knows its own by a brand of its package (a `WeakMap`, a symbol) and by the address of the server.
 *  B26 With `administration`: see `administration.ts`.
 *  B27 With `capabilities.carries.messages`: a settlement publishes its `messages` in the step that makes the ack, in their order, before the
 *      same step takes what is next; all of it happens or nothing. Nothing is published where the message is somebody else's by now: he runs it
 *      again, and publishes what follows. `carries` says which messages may go along; it never says yes to what `publish` would refuse.
 *      With `ahead` and one message that this consumer would take in the same step, it may deliver it before the step is answered: ahead of what was
 *      published in that moment, and never twice in a row without having looked for what waits. Whatever is settled, renewed or adopted
 *      of it comes behind that step; did the step fail or publish nothing, the delivery is one that somebody else has by now.
 *  B28 With `capabilities.carries.chordParts` and `settlesWith(backend)`: an ack may carry a part of a chord, recorded behind the result writes in the
 *      same step. A part that leaves the chord open, or finds it closed, is acked with it. One that completes the chord, or finds it claimed,
 *      leaves the message held, publishes nothing, and makes `settled` false again: what follows from it has to be done before the ack.
 */
import type { BrokerAdministration } from './administration.ts'
import type { Closable, ConnectOptions, ServerDescription } from './lifecycle.ts'
import type { DeliveryInfo, ExchangeType, HeaderTable, MessageContent, OutgoingMessage } from './message.ts'
import type { CeleryError } from './errors.ts'
import type { ParkedMessages } from './parking.ts'
import type { ChordPart, ChordProgress, ResultBackend, ResultWrite } from './result-backend.ts'
import type { ExchangeDeclaration, QueueDeclaration } from './topology.ts'

/** Complete, frozen data. Core branches on it, suites read it, the adapter table of the docs is generated from it. */
export interface BrokerCapabilities {
  /** Celery's driver type: `redis`, `amqp`, `SQS`, `gcpubsub`, `sql`, `memory`. */
  readonly driverType: string
  /** Messages outlive the process that holds the queue. */
  readonly durable: boolean
  /** `true`: the broker answers each publish; `false`: a publish may be lost silently. */
  readonly confirms: boolean
  /** A publish to the default exchange creates its queue (Redis) or is returned/dropped when the queue is missing (AMQP). */
  readonly queuesOnPublish: boolean
  /** Messages of one queue and one priority come in order of publishing (B9). False where nobody knows (SQS, Pub/Sub). */
  readonly ordered: boolean
  /**
   * What `countStart` counts (B17): starts; deliveries, where the server counts those (SQS), so that what was taken and given back counts too;
   * or nothing, always 1: then poison is not found out.
   */
  readonly startCount: 'starts' | 'deliveries' | 'none'
  /**
   * Messages are marked redelivered although nobody started them: RabbitMQ marks whatever it has given out, and after a crash everything it
   * has. What comes for the second time then runs beside others; only what was started before runs alone. Default false.
   */
  readonly marksUnstarted?: boolean
  readonly exchanges: {
    readonly direct: boolean
    readonly topic: boolean
    readonly fanout: boolean
    readonly headers: boolean
  }
  /** Exchange type that Celery's events use on this broker. */
  readonly eventExchangeType: 'topic' | 'fanout'
  /** Remote control, heartbeats and events are possible (needs fanout). */
  readonly remoteControl: boolean
  readonly priorities: { readonly order: 'low-first' | 'high-first'; readonly levels: number } | null
  /**
   * Held messages come back after a time unless the lease is renewed; null: they come back when the connection dies. Not renewable: they come
   * back after that time whatever anybody does.
   */
  readonly lease: { readonly renewable: boolean } | null
  readonly settleAcrossConnections: boolean
  /**
   * The broker can keep a message until `notBefore`: for how long at most, and how finely (`stepMs`: it may come up to so much earlier, the
   * worker waits out the rest; default 0). `onlyWith`: core uses it only in apps that have such a queue.
   */
  readonly nativeDelay: {
    readonly maxMs: number
    readonly stepMs?: number
    readonly onlyWith?: 'quorum-queues'
  } | null
  /** A message that is held longer is taken back, and more with it (AMQP's `consumer_timeout`). Null or absent: no such limit. */
  readonly maxHoldMs?: number | null
  readonly mandatory: boolean
  /** The broker drops messages after `expiration` by itself. */
  readonly messageTtl: boolean
  /** Largest message in bytes as published, envelope included, null for no practical limit. The kit keeps some of it free for parking. */
  readonly maxMessageBytes: number | null
  /** Where `requeue` puts a message. */
  readonly requeuePosition: 'front' | 'back' | 'unspecified'
  readonly parking: 'atomic' | 'two-step'
  readonly wakeUp: 'push' | 'poll'
  /** `queueSize` is exact, approximate (SQS) or not to be had. */
  readonly queueSize: 'exact' | 'approximate' | 'none'
  /** What goes in the step of an ack, besides results (B27, B28). Absent: nothing. */
  readonly carries?: { readonly messages: boolean; readonly chordParts: boolean }
}

/** A configured broker; opens nothing by itself. Made by an adapter's factory through `defineBroker()`. */
export interface Broker extends Closable {
  readonly kind: 'broker'
  /** Adapter name for messages, e.g. `redis`. */
  readonly name: string
  /** npm package that provides it. */
  readonly packageName: string
  readonly contractVersion: string
  readonly capabilities: BrokerCapabilities
  describe(): ServerDescription
  connect(options: ConnectOptions): Promise<BrokerConnection>
  /** True when result writes for `backend` can go in the same step as an ack (same server, same database). */
  settlesWith(backend: ResultBackend): boolean
}

export interface CallOptions {
  readonly signal?: AbortSignal | undefined
}

export interface DeclareOptions extends CallOptions {
  /**
   * Exchanges to create besides those that the queues are bound to: for publishing to one before anybody has bound a queue to it, which
   * AMQP refuses otherwise. Nothing to do where exchanges are no more than their bindings.
   */
  readonly exchanges?: readonly ExchangeDeclaration[] | undefined
}

export interface BrokerConnection extends Closable {
  /** How long a held message stays ours without renewal; undefined where there is no lease. */
  readonly leaseMs: number | undefined
  /**
   * Creates exchanges, queues and bindings, in that order; repeating it changes nothing. Queues have names: core makes one up where a user gave
   * none, since a name made by the server could not be declared again after a reconnect.
   */
  declare(queues: readonly QueueDeclaration[], options?: DeclareOptions): Promise<void>
  /** Cheap to call often: calls of one turn of the event loop go out together. */
  publish(message: OutgoingMessage, options?: CallOptions): Promise<void>
  /** One outcome per message, in order: undefined when the broker took it. Rejects only when nothing at all was tried. */
  publishMany(
    messages: readonly OutgoingMessage[],
    options?: CallOptions,
  ): Promise<readonly (CeleryError | undefined)[]>
  openConsumer(options: ConsumerOptions): Promise<Consumer>
  queueSize(queue: string, options?: CallOptions): Promise<number>
  /** Resolves to the number of messages removed. */
  purge(queue: string, options?: CallOptions): Promise<number>
  deleteQueue(queue: string, options?: CallOptions): Promise<void>
  readonly parked: ParkedMessages
  /** For tools of administrators (B26). Absent where the adapter has none of it. */
  readonly administration?: BrokerAdministration | undefined
  /** With `nativeDelay`: makes what it needs, so that what anybody has delayed for these queues arrives. Absent where nothing is needed. */
  prepareDelays?(queues: readonly QueueDeclaration[], options?: CallOptions): Promise<void>
  /**
   * With `nativeDelay` and `maxHoldMs`: publishes a copy of a held message that comes back to its queue at `notBefore` (epoch ms) at the
   * earliest; the caller then acks the one it holds. False: this one cannot be delayed.
   */
  postpone?(delivery: Delivery, notBefore: number, options?: CallOptions): Promise<boolean>
}

export interface ConsumerOptions extends CallOptions {
  /** The budget over all queues of this consumer. At least 1. `Infinity` where core wants no limit (control queues). */
  readonly credit: number
  /**
   * Called once per message, synchronously, possibly several times in a row. Must not throw. The adapter keeps no copy of what it
   * delivered beyond what settling needs.
   */
  readonly onDelivery: (delivery: Delivery) => void
  /** Most messages to take in one step; the adapter may take fewer. Default: the credit. */
  readonly maxClaim?: number
}

export interface Subscription {
  readonly queue: QueueDeclaration
  /** Nothing to settle: the broker forgets the message when it is delivered (control, replies, events). */
  readonly noAck?: boolean
  readonly exchangeType?: ExchangeType
  /** AMQP's arguments of the consumer, e.g. `{ 'x-priority': 5 }`; others ignore them. */
  readonly arguments?: HeaderTable | undefined
}

export interface Consumer extends Closable {
  /** Declares the queues and starts taking from them. Adding queues later works the same. */
  subscribe(subscriptions: readonly Subscription[], options?: CallOptions): Promise<void>
  /** Stops taking from these queues for good. Unknown names are ignored. */
  cancel(queues: readonly string[], options?: CallOptions): Promise<void>
  /** Stops taking until `resume`; the subscription stays. */
  pause(queues: readonly string[]): void
  resume(queues: readonly string[]): void
  /** New budget; takes effect for the next message taken. */
  setCredit(credit: number): void
  /** Most messages to take in one step from now on. */
  setMaxClaim(maxClaim: number): void
  /** Resolves when no further message will be delivered; open deliveries can still be settled. */
  stop(): Promise<void>
  /** Resolves when every settlement made so far has reached the broker (B11); rejects when one since the last `flush` certainly did not. */
  flush(): Promise<void>
  /** Renews the lease of these deliveries; resolves to those that are no longer ours. Those that are settled by now are passed over. */
  extendLeases(deliveries: readonly Delivery[]): Promise<readonly Delivery[]>
  /** See B16. Where the capability is missing, every delivery is returned. */
  adopt(deliveries: readonly Delivery[]): Promise<readonly Delivery[]>
  /** Also releases every unsettled delivery, unless told to keep them held (their lease then runs out). */
  close(options?: { readonly unsettled?: 'release' | 'keep' }): Promise<void>
}

/** One message, held by us until it is settled. */
export interface Delivery extends MessageContent {
  /** Identifies the delivery within its broker; opaque. */
  readonly tag: string
  readonly queue: string
  readonly info: DeliveryInfo
  readonly settled: boolean
  /**
   * Cheap: settlements of one turn of the event loop go out together, and the promise may be shared among them. Rejects with
   * `BrokerUnavailableError` when the connection died first (the message then comes back, unless adopted).
   */
  settle(settlement: Settlement): Promise<void>
  /** See B17. */
  countStart(): Promise<number>
  /**
   * See B27; present with `capabilities.carries.messages`. False: this message is to be published the ordinary way, which also says what is wrong
   * with it.
   */
  carries?(message: OutgoingMessage): boolean
}

export type Settlement =
  | ({ readonly action: 'ack'; readonly part?: CarriedPart } & Carried)
  | ({ readonly action: 'reject' } & Carried)
  | { readonly action: 'requeue' }
  | { readonly action: 'release' }
  | { readonly action: 'park'; readonly reason: string; readonly starts?: number }

/** What takes effect together with an ack or a reject. */
export interface Carried {
  readonly results?: readonly ResultWrite[]
  /** See B27. Only what `carries` has said yes to. */
  readonly messages?: readonly OutgoingMessage[]
  /** Its one message may be delivered here before the step is answered (B27). Default false. */
  readonly ahead?: boolean
}

/** See B28. */
export interface CarriedPart {
  readonly part: ChordPart
  /** Called before the settlement resolves. With `complete` and `claimed` the message is still held. */
  readonly onRecorded: (progress: ChordProgress) => void
}
