/**
 * Connection of the kit: routes what is published into queues of the store, and opens consumers.
 *
 *   open ──close──► closed
 *     └──lost──► lost ──close──► closed
 */
import type {
  BrokerCapabilities,
  BrokerConnection,
  CallOptions,
  Consumer,
  ConsumerOptions,
} from '../broker.ts'
import {
  BrokerError,
  BrokerUnavailableError,
  CeleryError,
  ClosedError,
  isCeleryError,
  PublishError,
} from '../errors.ts'
import type { OutgoingMessage } from '../message.ts'
import type { Notice, NoticeListener } from '../notice.ts'
import type { ParkedMessages } from '../parking.ts'
import { encodeEnvelope } from '../protocol/index.ts'
import type { QueueDeclaration } from '../topology.ts'
import { bindingsOf, route, type BindingTable } from './bindings.ts'
import { aborted, raceSignal } from './call-guard.ts'
import { ParkingLot } from './parking-lot.ts'
import { TurnBatch } from './turn-batch.ts'
import { VirtualConsumer, type ConsumerHost } from './virtual-consumer.ts'
import type { StorePut, VirtualStore } from './virtual-store.ts'

/** What {@link VirtualConnection} is told by `defineVirtualBroker`. */
export interface ConnectionSetup<Handle> {
  readonly origin: object
  readonly name: string
  readonly store: VirtualStore<Handle>
  readonly capabilities: BrokerCapabilities
  readonly bindings: BindingTable
  readonly takeFrom: 'many-queues' | 'one-queue'
  readonly maxTake: number
  readonly pollIntervalMs: number
  readonly deadletterQueue: string | undefined
  readonly onNotice: NoticeListener
  readonly onClosed: () => void
}

type Outcome = CeleryError | undefined

export class VirtualConnection<Handle> implements BrokerConnection, ConsumerHost<Handle> {
  readonly origin: object
  readonly store: VirtualStore<Handle>
  readonly capabilities: BrokerCapabilities
  readonly takeFrom: 'many-queues' | 'one-queue'
  readonly maxTake: number
  readonly pollIntervalMs: number
  readonly leaseMs: number | undefined
  readonly parked: ParkedMessages
  readonly #setup: ConnectionSetup<Handle>
  readonly #consumers = new Set<VirtualConsumer<Handle>>()
  readonly #publishes: TurnBatch<OutgoingMessage, Outcome>
  #sweep: NodeJS.Timeout | undefined
  #lost: BrokerUnavailableError | undefined
  #closing: Promise<void> | undefined
  #closed = false

  constructor(setup: ConnectionSetup<Handle>) {
    this.#setup = setup
    this.origin = setup.origin
    this.store = setup.store
    this.capabilities = setup.capabilities
    this.takeFrom = setup.takeFrom
    this.maxTake = setup.maxTake
    this.pollIntervalMs = setup.pollIntervalMs
    this.leaseMs = setup.store.leaseMs
    this.#publishes = new TurnBatch((messages) => this.#publishAll(messages))
    this.parked = new ParkingLot<Handle>(
      setup.store,
      setup.maxTake,
      (call, options) => this.guard(call, options),
      async ({ queue, payload }) => this.put(queue, payload),
    )
  }

  get lost(): BrokerUnavailableError | undefined {
    return this.#lost
  }

  async declare(queues: readonly QueueDeclaration[], options?: CallOptions): Promise<void> {
    await this.guard(async () => {
      for (const queue of queues) {
        if (queue.noDeclare === true || queue.passive === true) continue
        const bindings = bindingsOf(queue)
        await this.store.declareQueue?.(queue)
        for (const binding of bindings) {
          await this.#setup.bindings.bind(binding)
          if (binding.exchangeType === 'fanout') await this.store.fanout?.bind(binding)
        }
      }
    }, options)
  }

  async publish(message: OutgoingMessage, options?: CallOptions): Promise<void> {
    this.#check(options)
    const outcome = await raceSignal('The publish', this.#publishes.add(message), options?.signal).catch(
      (error: unknown) => {
        if (options?.signal?.aborted !== true) throw error
        throw new PublishError('The publish was aborted before the broker answered.', {
          cause: error,
          maybeDelivered: true,
        })
      },
    )
    if (outcome !== undefined) throw outcome
  }

  async publishMany(
    messages: readonly OutgoingMessage[],
    options?: CallOptions,
  ): Promise<readonly Outcome[]> {
    this.#check(options)
    return raceSignal(
      'The publish',
      Promise.all(messages.map((message) => this.#publishes.add(message))),
      options?.signal,
    )
  }

  async openConsumer(options: ConsumerOptions): Promise<Consumer> {
    this.#check(options)
    const consumer = new VirtualConsumer<Handle>(this, options)
    this.#consumers.add(consumer)
    this.#startSweep()
    return consumer
  }

  queueSize(queue: string, options?: CallOptions): Promise<number> {
    return this.guard(() => this.store.size(queue), options)
  }

  purge(queue: string, options?: CallOptions): Promise<number> {
    return this.guard(() => this.store.purge(queue), options)
  }

  async deleteQueue(queue: string, options?: CallOptions): Promise<void> {
    await this.guard(async () => {
      await this.#setup.bindings.unbind(queue)
      await this.store.deleteQueue(queue)
    }, options)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    await Promise.all([...this.#consumers].map((consumer) => consumer.close()))
    await this.#publishes.idle()
    this.#closed = true
    clearInterval(this.#sweep)
    await this.store.close()
    this.#setup.onClosed()
  }

  // What consumers and the parking lot need.

  notice(notice: Notice): void {
    if (!this.#closed) this.#setup.onNotice(notice)
  }

  /** See V9. The first loss counts; everything later follows from it. */
  lose(error: Error): void {
    if (this.#lost !== undefined || this.#closed) return
    this.#lost = new BrokerUnavailableError(
      `The connection to ${this.#setup.name} was lost: ${error.message}`,
      { cause: error },
    )
    clearInterval(this.#sweep)
    for (const consumer of this.#consumers) consumer.lost()
    if (this.#closing === undefined) this.notice({ kind: 'connection-lost', error: this.#lost })
  }

  forget(consumer: VirtualConsumer<Handle>): void {
    this.#consumers.delete(consumer)
    if (this.#consumers.size > 0) return
    clearInterval(this.#sweep)
    this.#sweep = undefined
  }

  async put(queue: string, payload: string): Promise<void> {
    const put = {
      queue,
      payload,
      priority: 0,
      notBefore: undefined,
      expiresInMs: undefined,
      extra: undefined,
    }
    const [error] = await this.guard(() => this.store.put([put]))
    if (error !== undefined) throw error
  }

  /** Every call to the store goes through here: state, signal, and errors as ours (B24). */
  async guard<T>(call: () => Promise<T>, options?: CallOptions): Promise<T> {
    this.#check(options)
    try {
      return await raceSignal('The call', call(), options?.signal)
    } catch (error) {
      throw this.#translate(error)
    }
  }

  #check(options: CallOptions | undefined): void {
    if (this.#closed) throw new ClosedError(`The connection to ${this.#setup.name} is closed.`)
    if (this.#lost !== undefined) throw this.#lost
    if (options?.signal?.aborted === true) throw aborted('The call', options.signal)
  }

  #translate(error: unknown): CeleryError {
    if (isCeleryError(error)) return error
    if (this.#lost !== undefined) return this.#lost
    const message = error instanceof Error ? error.message : String(error)
    return new BrokerError(`${this.#setup.name} failed: ${message}`, { cause: error })
  }

  async #publishAll(messages: readonly OutgoingMessage[]): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = messages.map(() => undefined)
    const puts: StorePut[] = []
    const owners: number[] = []
    for (const [index, message] of messages.entries()) {
      try {
        this.#check(undefined)
        for (const put of await this.#route(message)) {
          puts.push(put)
          owners.push(index)
        }
      } catch (error) {
        outcomes[index] = publishError(this.#translate(error), false)
      }
    }
    if (puts.length === 0) return outcomes
    try {
      const errors = await this.store.put(puts)
      for (const [index, owner] of owners.entries()) {
        const error = errors[index]
        if (error !== undefined) outcomes[owner] ??= publishError(this.#translate(error), true)
      }
    } catch (error) {
      for (const owner of owners) outcomes[owner] = publishError(this.#translate(error), true)
    }
    return outcomes
  }

  /** One put per queue, each copy with a delivery tag of its own. */
  async #route(message: OutgoingMessage): Promise<readonly StorePut[]> {
    const { exchange, routingKey, properties } = message
    const { fanout } = this.store
    if (fanout !== undefined && message.exchangeType === 'fanout') {
      await fanout.publish(exchange, routingKey, this.#envelope(message))
      return []
    }
    const bindings = exchange === '' ? [] : await this.#setup.bindings.bindings(exchange)
    let queues = route(message, bindings)
    if (queues.length === 0 && message.mandatory === true) {
      throw new PublishError(
        `No queue takes ${JSON.stringify(routingKey)} from exchange ${JSON.stringify(exchange)}.`,
        {
          maybeDelivered: false,
          retryable: false,
          details: { returned: true },
        },
      )
    }
    const { deadletterQueue } = this.#setup
    if (queues.length === 0 && deadletterQueue !== undefined) queues = [deadletterQueue]
    return queues.map((queue) => ({
      queue,
      payload: this.#envelope(message),
      priority: this.#priority(properties.priority ?? 0),
      notBefore: this.#notBefore(message.notBefore),
      expiresInMs: this.capabilities.messageTtl ? milliseconds(properties.expiration) : undefined,
      extra: properties.extra,
    }))
  }

  #envelope(message: OutgoingMessage): string {
    const { exchange, routingKey } = message
    const payload = encodeEnvelope(message, { exchange, routingKey, deliveryTag: crypto.randomUUID() })
    const { maxMessageBytes } = this.capabilities
    if (maxMessageBytes !== null && payload.length > maxMessageBytes) {
      throw new CeleryError(
        'CT_MESSAGE_TOO_LARGE',
        `The message has ${payload.length} bytes, ${this.#setup.name} takes ${maxMessageBytes}. Send less, or a reference to it.`,
        { details: { bytes: payload.length, maxBytes: maxMessageBytes, maybeDelivered: false } },
      )
    }
    return payload
  }

  #priority(priority: number): number {
    const levels = this.capabilities.priorities?.levels ?? 1
    return Math.min(levels - 1, Math.max(0, Math.trunc(priority)))
  }

  #notBefore(notBefore: number | undefined): number | undefined {
    const { nativeDelay } = this.capabilities
    if (nativeDelay === null || notBefore === undefined) return undefined
    const now = Date.now()
    // Beyond what the broker can keep, the message comes early and the worker holds it: `eta` is in its headers.
    return notBefore <= now ? undefined : Math.min(notBefore, now + nativeDelay.maxMs)
  }

  /** V8. Unreferenced: a process that has nothing else to do may end. */
  #startSweep(): void {
    const { leaseMs } = this
    if (leaseMs === undefined || this.store.restoreExpired === undefined || this.#sweep !== undefined) return
    const sweep = async (): Promise<void> => {
      try {
        const count = (await this.store.restoreExpired?.()) ?? 0
        if (count > 0) this.notice({ kind: 'restored', count })
      } catch (error) {
        this.notice({ kind: 'warning', message: `Looking for expired leases failed: ${String(error)}` })
      }
    }
    this.#sweep = setInterval(() => void sweep(), Math.min(30_000, Math.max(5, leaseMs / 4))).unref()
  }
}

function publishError(error: CeleryError, maybeDelivered: boolean): CeleryError {
  if (error instanceof PublishError || error.code === 'CT_MESSAGE_TOO_LARGE' || error.code === 'CT_ENCODE')
    return error
  return new PublishError(error.message, { cause: error, maybeDelivered, retryable: error.retryable })
}

function milliseconds(expiration: string | undefined): number | undefined {
  const value = expiration === undefined ? NaN : Number(expiration)
  return Number.isFinite(value) && value >= 0 ? value : undefined
}
