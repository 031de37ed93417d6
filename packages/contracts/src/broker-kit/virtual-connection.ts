/**
 * Connection of the kit: routes what is published into queues of the store, and opens consumers.
 *
 *   open ──close──► closed
 *     └──lost──► lost ──close──► closed
 */
import type { BrokerAdministration } from '../administration.ts'
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
import type { QueueDeclaration } from '../topology.ts'
import { bindingsOf, type BindingTable } from './bindings.ts'
import { aborted, raceSignal } from './call-guard.ts'
import { ParkingLot } from './parking-lot.ts'
import { VirtualAdministration } from './virtual-administration.ts'
import { Publishing, type Outcome, type PutMore } from './publishing.ts'
import { VirtualConsumer, type ConsumerHost } from './virtual-consumer.ts'
import type { StoreSettlement, VirtualStore } from './virtual-store.ts'

/** What {@link VirtualConnection} is told by `defineVirtualBroker`. */
export interface ConnectionSetup<Handle> {
  readonly origin: object
  readonly name: string
  readonly store: VirtualStore<Handle>
  readonly capabilities: BrokerCapabilities
  readonly bindings: BindingTable
  readonly takeFrom: 'many-queues' | 'one-queue'
  readonly maxTake: number
  readonly maxPut: number
  readonly maxPutBytes: number
  readonly maxSettle: number
  readonly pollIntervalMs: number
  readonly deadletterQueue: string | undefined
  readonly onNotice: NoticeListener
  readonly onClosed: () => void
}

export class VirtualConnection<Handle> implements BrokerConnection, ConsumerHost<Handle> {
  readonly origin: object
  readonly store: VirtualStore<Handle>
  readonly capabilities: BrokerCapabilities
  readonly takeFrom: 'many-queues' | 'one-queue'
  readonly maxTake: number
  readonly pollIntervalMs: number
  readonly leaseMs: number | undefined
  readonly parked: ParkedMessages
  readonly administration: BrokerAdministration
  readonly #setup: ConnectionSetup<Handle>
  readonly #consumers = new Set<VirtualConsumer<Handle>>()
  readonly #publishing: Publishing
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
    this.#publishing = new Publishing({
      ...setup,
      check: () => this.#check(undefined),
      translate: (error) => this.translate(error),
    })
    this.parked = new ParkingLot<Handle>(setup.store, setup.maxTake, {
      guard: (call, options) => this.guard(call, options),
      put: (queue, payload, more) => this.put(queue, payload, more),
      translate: (error) => this.translate(error),
    })
    this.administration = new VirtualAdministration({
      ...setup,
      connection: this,
      guard: (call, options) => this.guard(call, options),
    })
  }

  get lost(): BrokerUnavailableError | undefined {
    return this.#lost
  }

  async declare(queues: readonly QueueDeclaration[], options?: CallOptions): Promise<void> {
    await this.guard(async () => {
      for (const queue of queues) {
        if (queue.noDeclare === true) continue
        if (queue.passive === true) {
          await this.#assertExists(queue.name)
          continue
        }
        const bindings = bindingsOf(queue)
        await this.store.declareQueue?.(queue)
        for (const binding of bindings) {
          await this.#setup.bindings.bind(binding)
          if (binding.exchangeType === 'fanout') await this.store.fanout?.bind(binding)
        }
      }
    }, options)
  }

  async #assertExists(queue: string): Promise<void> {
    if ((await this.store.queueExists?.(queue)) !== false) return
    throw new CeleryError(
      'CT_QUEUE_NOT_FOUND',
      `${this.#setup.name} has no queue ${JSON.stringify(queue)}, and its declaration is passive: create it, or declare it without passive.`,
      { details: { queue } },
    )
  }

  async publish(message: OutgoingMessage, options?: CallOptions): Promise<void> {
    this.#check(options)
    const outcome = await raceSignal('The publish', this.#publishing.add(message), options?.signal).catch(
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
      Promise.all(messages.map((message) => this.#publishing.add(message))),
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
    await this.#publishing.idle()
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

  put(queue: string, payload: string, more: PutMore = {}): Promise<void> {
    return this.guard(() => this.#publishing.put(queue, payload, more))
  }

  /** One outcome per settlement, as errors of ours; a call that rejects counts for all that were in it. */
  async settle(steps: readonly StoreSettlement<Handle>[]): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = []
    while (outcomes.length < steps.length) {
      const some = steps.slice(outcomes.length, outcomes.length + this.#setup.maxSettle)
      try {
        const answers = await this.guard(() => this.store.settle(some))
        for (const index of some.keys()) {
          const answer = answers[index]
          outcomes.push(answer === undefined ? undefined : this.translate(answer))
        }
      } catch (error) {
        const refused = this.translate(error)
        for (const _ of some) outcomes.push(refused)
      }
    }
    return outcomes
  }

  /** Every call to the store goes through here: state, signal, and errors as ours (B24). */
  async guard<T>(call: () => Promise<T>, options?: CallOptions): Promise<T> {
    this.#check(options)
    try {
      return await raceSignal('The call', call(), options?.signal)
    } catch (error) {
      throw this.translate(error)
    }
  }

  #check(options: CallOptions | undefined): void {
    if (this.#closed) throw new ClosedError(`The connection to ${this.#setup.name} is closed.`)
    if (this.#lost !== undefined) throw this.#lost
    if (options?.signal?.aborted === true) throw aborted('The call', options.signal)
  }

  /** As one of ours (B24). */
  translate(error: unknown): CeleryError {
    if (isCeleryError(error)) return error
    if (this.#lost !== undefined) return this.#lost
    const message = error instanceof Error ? error.message : String(error)
    return new BrokerError(`${this.#setup.name} failed: ${message}`, { cause: error })
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
