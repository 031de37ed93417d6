/**
 * A worker's ear for the other workers (celery/worker/consumer/gossip.py 5.7): their events keep its logical clock and its picture of
 * the fleet up to date, and carry elections. Its queue lives on the worker's own connection.
 */
import { randomUUID } from 'node:crypto'
import {
  eventQueue,
  readEvents,
  signatureFromDict,
  State,
  type AppContext,
  type EventDispatcher,
  type WorkerRecord,
} from '@ct/client'
import type { BrokerConnection, Consumer, Delivery } from '@ct/contracts'
import { Elections } from './elections.ts'

export interface GossipOptions {
  readonly context: AppContext
  readonly hostname: string
  readonly dispatcher: EventDispatcher
  /** Seconds; what nobody reads for so long is of no use any more. */
  readonly heartbeatInterval: number
  /** By topic: what the winner of an election does. `task`, which sends a signature, is there already. */
  readonly electionHandlers: Readonly<Record<string, (action: unknown) => unknown>>
  readonly onNodeJoin: (worker: WorkerRecord) => void
  readonly onNodeLeave: (worker: WorkerRecord) => void
  readonly onNodeLost: (worker: WorkerRecord) => void
}

/** Milliseconds between looks for workers that were not heard of for too long. */
const periodMs = 5000

export class Gossip {
  readonly state: State
  readonly elections: Elections
  readonly #options: GossipOptions
  readonly #accept: ReadonlySet<string>
  #connection: BrokerConnection | undefined
  #consumer: Consumer | undefined
  #queue = ''
  #closed = false
  #timer: NodeJS.Timeout | undefined

  constructor(options: GossipOptions) {
    const { context, hostname, dispatcher, onNodeJoin, onNodeLeave } = options
    this.#options = options
    const { serializers, settings } = context
    this.#accept = serializers.accept([...settings.acceptContent, settings.eventSerializer])
    this.state = new State({
      maxTasksInMemory: 1,
      now: context.now,
      warn: (message) => context.logger.warn(message),
      onNodeJoin: (worker) => {
        context.logger.debug(`${worker.hostname} joined the party`)
        onNodeJoin(worker)
      },
      onNodeLeave: (worker) => {
        context.logger.debug(`${worker.hostname} left`)
        onNodeLeave(worker)
      },
    })
    this.elections = new Elections({
      self: `${hostname}.${process.pid}`,
      send: (type, fields) => dispatcher.send(type, fields),
      others: () => this.state.aliveWorkers().length,
      handlers: new Map([
        [
          'task',
          async (action: unknown) =>
            void (await signatureFromDict(context.app, action as object).applyAsync()),
        ],
        ...Object.entries(options.electionHandlers),
      ]),
      logger: () => context.logger,
    })
  }

  /** Name of the queue it listens to. */
  get queue(): string {
    return this.#queue
  }

  /** For each new connection; the old one is gone with its consumer. */
  async open(connection: BrokerConnection): Promise<void> {
    await this.#consumer?.close().catch(() => undefined)
    this.#connection = connection
    const { context, heartbeatInterval } = this.#options
    const { capabilities } = context.readBroker
    const consumer = await connection.openConsumer({
      credit: Infinity,
      onDelivery: (delivery) => this.#receive(delivery),
    })
    this.#consumer = consumer
    // A new one each time: the old connection's may still be there, and be exclusive to it.
    const queue = eventQueue(
      randomUUID(),
      'worker.#',
      { ...context.settings, eventQueueTtl: heartbeatInterval },
      capabilities,
    )
    this.#queue = queue.name
    await consumer.subscribe([{ queue, noAck: true, exchangeType: capabilities.eventExchangeType }])
    if (this.#closed) {
      await consumer.close()
      return
    }
    this.#timer ??= setInterval(() => this.#lookAround(), periodMs)
    this.#timer.unref()
  }

  /** The broker has ended the subscription. */
  async reopen(): Promise<void> {
    if (this.#connection !== undefined) await this.open(this.#connection)
  }

  async close(): Promise<void> {
    this.#closed = true
    clearInterval(this.#timer)
    this.#timer = undefined
    this.elections.close()
    const consumer = this.#consumer
    this.#consumer = undefined
    await consumer?.close().catch(() => undefined)
  }

  #receive(delivery: Delivery): void {
    const { context, hostname } = this.#options
    const { clock, serializers, logger } = context
    // Without patterns, a fanout brings what tasks do as well.
    if (delivery.info.routingKey.startsWith('task.')) return
    let events: Record<string, unknown>[]
    try {
      events = readEvents(delivery, serializers, this.#accept)
    } catch (error) {
      logger.error('An event of another worker cannot be read.', { error })
      return
    }
    for (const event of events) {
      if (event['hostname'] === hostname) clock.forward()
      else if (typeof event['clock'] === 'number') clock.adjust(event['clock'])
      if (event['type'] === 'worker-elect') this.elections.onVote(event)
      else if (event['type'] === 'worker-elect-ack') this.elections.onAck(event)
      else if (event['hostname'] !== hostname)
        this.state.event({ ...event, local_received: context.now() / 1000 })
    }
  }

  #lookAround(): void {
    for (const worker of [...this.state.workers.values()]) {
      if (worker.alive) continue
      this.#options.context.logger.info(`missed heartbeat from ${worker.hostname}`)
      this.state.forgetWorker(worker.hostname)
      this.#options.onNodeLost(worker)
    }
  }
}
