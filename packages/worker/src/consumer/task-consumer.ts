/**
 * The worker's connection to its queues, for as long as the worker lives.
 *
 *   start ─► connecting ─► taking over ─► consuming ─┬─ connection lost ──────────────► connecting
 *                ▲                                   ├─ nothing comes though it should ─► taking over (new consumer)
 *                │                                   └─ stop ─► draining ─► closed
 *                └─ back-off while the broker is away
 *
 * Draining: no more messages are taken, those held are settled as they end. Where held messages can be adopted, a connection that is lost
 * meanwhile is made again for that; `close` ends it.
 *
 * Taking over: what is held from the connection before is adopted where the broker can do that; what has ended meanwhile is settled then.
 * Elsewhere the broker has given the messages back already: what was not started is forgotten, what runs goes on, and its outcome is
 * remembered for when the message comes again.
 */
import {
  BrokerUnavailableError,
  ClosedError,
  isCeleryError,
  isRetryable,
  type Broker,
  type BrokerConnection,
  type Consumer,
} from '@ct/contracts'
import type { Queue, ReconnectingConnection } from '@ct/client'
import type { Request, WorkerState } from '../request/index.ts'
import type { TraceServices } from '../trace/index.ts'
import type { Credit } from './credit.ts'
import type { Dispatcher } from './dispatcher.ts'
import { BrokerNotices } from './broker-notices.ts'
import { prepareDelays } from './delay-topology.ts'
import { HeldMessages } from './held-messages.ts'
import { LeaseKeeper } from './lease-keeper.ts'
import type { Reception } from './reception.ts'
import { Resubscription } from './resubscription.ts'
import { leaveUnwanted, subscribeAll, subscribeToEach } from './subscribing.ts'
import type { Unconfirmed } from './unconfirmed.ts'
import { untilStopped } from './until-stopped.ts'
import { Watchdog } from './watchdog.ts'

export interface TaskConsumerOptions {
  readonly broker: Broker
  readonly connection: ReconnectingConnection<BrokerConnection>
  readonly queues: () => Iterable<Queue>
  /** Tasks with an ETA wait at the broker. */
  readonly delays: () => boolean
  readonly state: WorkerState
  readonly services: TraceServices
  readonly reception: Reception
  readonly dispatcher: Dispatcher
  readonly credit: Credit
  readonly unconfirmed: Unconfirmed
  /** The message of a request that was done is settled or given up at last. */
  readonly onSettledLate: (request: Request, error?: unknown) => void
  readonly reducePrefetch: boolean
  readonly cancelOnLoss: boolean
  readonly watchdogMs: number | undefined
  /** Subscribes again to a queue of somebody else on this connection; undefined for queues that nobody knows. */
  readonly reopen: (queue: string) => (() => Promise<void>) | undefined
  readonly channelErrorRetry: boolean
  /** Attempts to connect before giving up; undefined: no limit. */
  readonly maxAttempts: { readonly first: number | undefined; readonly later: number | undefined }
  /** A connection is there, before tasks are consumed. Also after a loss. */
  readonly onConnected: (connection: BrokerConnection) => Promise<void>
  /** Tasks are consumed. Also after a loss. */
  readonly onReady: () => void
  readonly onLost: (error: Error) => void
  /** It will not come back: the broker refuses us, or the attempts are used up. */
  readonly onFatal: (error: Error) => void
}

/** Between two attempts to start consuming where the broker refuses (`brokerChannelErrorRetry`). */
const channelRetryMs = 2_000
const longestStartPauseMs = 5_000
/** How long a worker that stops waits for a broker that does not answer while consuming is started. */
const stopPatienceMs = 5_000

export class TaskConsumer {
  readonly #options: TaskConsumerOptions
  readonly #stopping = new AbortController()
  #started = false
  #draining = false
  /** Nobody waits for what was still being opened when the worker stopped. */
  #abandoned = false
  readonly #watchdog: Watchdog
  readonly #held: HeldMessages
  readonly #notices: BrokerNotices
  #connection: BrokerConnection | undefined
  #consumer: Consumer | undefined
  #leases: LeaseKeeper | undefined
  readonly #resubscription: Resubscription
  #again: (() => void) | undefined
  #unlisten: (() => void) | undefined
  #loop: Promise<void> | undefined

  constructor(options: TaskConsumerOptions) {
    this.#options = options
    this.#held = new HeldMessages(options)
    this.#resubscription = new Resubscription({
      services: options.services,
      queues: options.queues,
      add: (queue) => this.add(queue),
      reopen: options.reopen,
      consumer: () => this.#consumer,
      signal: this.#stopping.signal,
    })
    this.#notices = new BrokerNotices({
      broker: options.broker,
      log: options.services.log,
      onCancelled: (queue) => void this.#resubscription.begin(queue),
      onMalformed: () => options.reception.malformed(),
      onLeasesLost: (tags) => this.#held.leasesLost(tags),
    })
    this.#watchdog = new Watchdog({
      ...(options.watchdogMs === undefined ? {} : { intervalMs: options.watchdogMs }),
      delivered: () => options.reception.received,
      ready: () => this.#consumer !== undefined && options.state.open.size < options.credit.current,
      waiting: () => this.#waiting(),
      onStalled: (waiting) => this.#stalled(waiting),
    })
  }

  /** Resolves when tasks are consumed; rejects when the broker cannot be reached or refuses us. */
  start(): Promise<void> {
    return new Promise<void>((resolve, reject) => {
      this.#unlisten = this.#options.connection.listen({
        onLost: (error) => this.#lost(error),
        onConnectFailed: (...failure) => this.#notices.unreachable(...failure),
        onNotice: (notice) => this.#notices.take(notice),
      })
      this.#loop = this.#run(resolve, reject)
    })
  }

  setCredit(credit: number, maxClaim: number): void {
    this.#consumer?.setCredit(credit)
    this.#consumer?.setMaxClaim(maxClaim)
  }

  async add(queue: Queue): Promise<void> {
    // What a command or a step asks for while the worker stops would be taken and never given back.
    if (this.#draining) return
    if (this.#consumer !== undefined) await subscribeAll(this.#consumer, [queue])
    if (this.#connection !== undefined) await this.#prepareDelays(this.#connection, [queue])
  }

  async cancel(name: string): Promise<void> {
    await this.#consumer?.cancel([name])
  }

  /** There is a connection over which messages can be settled. */
  get connected(): boolean {
    return this.#consumer !== undefined
  }

  /** Takes no more messages; resolves when none will be delivered any more. What is held goes on being settled until `close`. */
  async stop(): Promise<void> {
    this.#draining = true
    this.#watchdog.stop()
    const { broker, state } = this.#options
    if (!this.#started || !broker.capabilities.settleAcrossConnections || state.open.size === 0) this.#end()
    await this.#consumer?.stop().catch(() => undefined)
  }

  #end(): void {
    this.#stopping.abort()
    this.#again?.()
  }

  /** After everything has been settled. */
  async close(unsettled: 'release' | 'keep' = 'release'): Promise<void> {
    this.#end()
    await this.stop()
    this.#unlisten?.()
    await this.#closeConsumer(unsettled)
    await this.#loop
    // The loop may have been at making another one.
    await this.#closeConsumer(unsettled)
  }

  async #closeConsumer(unsettled: 'release' | 'keep'): Promise<void> {
    await this.#consumer?.flush().catch((error: unknown) => {
      this.#options.services.log.warn(
        'Some acknowledgements did not reach the broker; their tasks will run again.',
        { error },
      )
    })
    this.#leases?.stop()
    await this.#consumer?.close({ unsettled })
    this.#consumer = undefined
  }

  // ---- the loop ------------------------------------------------------------------------------------------------------

  async #run(started: () => void, failed: (error: unknown) => void): Promise<void> {
    const { connection, maxAttempts } = this.#options
    const { signal } = this.#stopping
    const fatal = (first: boolean, error: unknown): void => {
      if (first) failed(error)
      else this.#options.onFatal(error instanceof Error ? error : new Error(String(error)))
    }
    let failures = 0
    for (let first = true; !signal.aborted;) {
      const limit = first ? maxAttempts.first : maxAttempts.later
      let ready: BrokerConnection
      try {
        ready = await connection.whenReady({ signal, ...(limit === undefined ? {} : { maxAttempts: limit }) })
      } catch (error) {
        if (signal.aborted) break
        fatal(first, error)
        return
      }
      const broken = new Promise<void>((resolve) => {
        this.#again = resolve
      })
      try {
        await untilStopped(this.#consume(ready, first), signal, stopPatienceMs, () => {
          this.#abandoned = true
        })
      } catch (error) {
        if (signal.aborted) break
        // What fails because the connection is gone by now says nothing about the next one.
        if (!isRetryable(error) && connection.current === ready && !this.#mayTryAgain(error)) {
          fatal(first, error)
          return
        }
        const why = error instanceof Error ? error.message : String(error)
        this.#options.services.log.warn(`Consuming could not be started; trying again. ${why}`, { error })
        // It may have begun with some of the queues.
        const half = this.#consumer
        this.#consumer = undefined
        await half?.close({ unsettled: 'keep' })
        const least = isRetryable(error) ? 200 : channelRetryMs
        // Nobody waits any more: the worker gives up what it holds.
        if (!(await this.#options.services.pause(Math.min(longestStartPauseMs, least * 2 ** failures++))))
          break
        continue
      }
      if (first) started()
      first = false
      failures = 0
      this.#started = true
      await broken
    }
    failed(new ClosedError('The worker was stopped before it was ready.'))
  }

  /** `broker_channel_error_retry`: what the broker refuses today it may allow when somebody has put it right. */
  #mayTryAgain(error: unknown): boolean {
    return this.#options.channelErrorRetry && isCeleryError(error) && error.code === 'CT_BROKER'
  }

  async #consume(connection: BrokerConnection, first: boolean): Promise<void> {
    const { credit, reception, services, dispatcher } = this.#options
    if (connection !== this.#connection && !this.#draining) await this.#options.onConnected(connection)
    this.#connection = connection
    const consumer = await connection.openConsumer({
      credit: credit.current,
      maxClaim: credit.maxClaim,
      onDelivery: reception.receive,
    })
    if (!first) await this.#held.takeOver(consumer)
    if (this.#abandoned) {
      await consumer.close({ unsettled: 'keep' })
      return
    }
    this.#consumer = consumer
    // It may have changed while the consumer was being opened.
    this.setCredit(credit.current, credit.maxClaim)
    if (!this.#draining) {
      const queues = [...this.#options.queues()]
      if (first) await subscribeAll(consumer, queues)
      else {
        const isCurrent = (): boolean => this.#options.connection.current === connection
        const refused = await subscribeToEach(consumer, queues, isCurrent)
        for (const { name } of refused) void this.#resubscription.begin(name)
      }
      await leaveUnwanted(consumer, queues, this.#options.queues())
      await this.#prepareDelays(connection, queues)
    }
    // Not everything that was waited for says so.
    if (this.#consumer !== consumer)
      throw new BrokerUnavailableError('The connection was lost while consuming was started.')
    this.#leases?.stop()
    if (connection.leaseMs !== undefined) {
      this.#leases = new LeaseKeeper(consumer, {
        leaseMs: connection.leaseMs,
        held: () => this.#options.state.held(),
        onLost: (deliveries) => this.#held.leasesLost(deliveries),
        onError: (error) => services.log.warn('Leases could not be renewed.', { error }),
      })
      this.#leases.start()
    }
    if (this.#draining) {
      // It may have begun while we subscribed.
      await consumer.stop()
      return
    }
    this.#watchdog.stop()
    if (this.#isWatched) this.#watchdog.start()
    dispatcher.resume()
    this.#options.onReady()
  }

  async #prepareDelays(connection: BrokerConnection, queues: readonly Queue[]): Promise<void> {
    if (!this.#options.delays()) return
    await prepareDelays(connection, queues, {
      services: this.#options.services,
      isOver: () => this.#stopping.signal.aborted || this.#options.connection.current !== connection,
      signal: this.#stopping.signal,
    })
  }

  #lost(error: Error): void {
    if (this.#stopping.signal.aborted) return
    const { services, dispatcher } = this.#options
    services.log.warn(`The connection to the broker is lost: ${error.message} Reconnecting.`)
    dispatcher.pause()
    this.#leases?.stop()
    this.#watchdog.stop()
    this.#consumer = undefined
    this.#connection = undefined
    this.#held.connectionLost()
    this.#options.onLost(error)
    this.#again?.()
  }

  // ---- what happens to it ---------------------------------------------------------------------------------------------

  /** Where messages are held by the connection itself the server pushes, cancels and beats; asking costs an idle worker its silence. */
  get #isWatched(): boolean {
    const { broker, watchdogMs } = this.#options
    const { lease, wakeUp } = broker.capabilities
    return watchdogMs !== undefined || lease !== null || wakeUp !== 'push'
  }

  async #waiting(): Promise<number> {
    const connection = this.#connection
    if (connection === undefined || this.#options.broker.capabilities.queueSize === 'none') return 0
    let waiting = 0
    for (const queue of this.#options.queues()) waiting += await connection.queueSize(queue.name)
    return waiting
  }

  #stalled(waiting: number): void {
    this.#options.services.log.error(
      `${waiting} messages wait in the queues, there is room for them, and none was delivered: making a new consumer.`,
    )
    const stuck = this.#consumer
    this.#consumer = undefined
    this.#leases?.stop()
    this.#options.dispatcher.pause()
    void stuck?.close({ unsettled: 'keep' })
    this.#again?.()
  }
}
