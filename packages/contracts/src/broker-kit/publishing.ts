/** Publishing of the kit: turns messages into puts, one per queue, and hands those of one turn to the store together. */
import { Buffer } from 'node:buffer'
import type { BrokerCapabilities } from '../broker.ts'
import { type CeleryError, MessageTooLargeError, PublishError } from '../errors.ts'
import type { OutgoingMessage } from '../message.ts'
import { encodeEnvelope } from '../protocol/index.ts'
import { route, type BindingTable } from './bindings.ts'
import { TurnBatch } from './turn-batch.ts'
import type { StorePut, VirtualStore } from './virtual-store.ts'

export type Outcome = CeleryError | undefined

export interface PublishingSetup {
  readonly name: string
  readonly store: VirtualStore
  readonly capabilities: BrokerCapabilities
  readonly bindings: BindingTable
  readonly deadletterQueue: string | undefined
  readonly maxPut: number
  readonly maxPutBytes: number
  /** Throws when the connection is closed or lost. */
  readonly check: () => void
  readonly translate: (error: unknown) => CeleryError
}

/** What `put` needs beside the text. */
export type PutMore = Partial<Pick<StorePut, 'priority' | 'extra'>>

export class Publishing {
  readonly #setup: PublishingSetup
  readonly #batch: TurnBatch<OutgoingMessage, Outcome>

  constructor(setup: PublishingSetup) {
    this.#setup = setup
    this.#batch = new TurnBatch((messages) => this.#publishAll(messages))
  }

  add(message: OutgoingMessage): Promise<Outcome> {
    return this.#batch.add(message)
  }

  idle(): Promise<void> {
    return this.#batch.idle()
  }

  /** An envelope that is finished already, for one queue. */
  async put(queue: string, payload: string, { priority = 0, extra }: PutMore): Promise<void> {
    const put = {
      queue,
      payload,
      priority: this.#priority(priority),
      notBefore: undefined,
      expiresInMs: undefined,
      extra,
    }
    const [error] = await this.#setup.store.put([put])
    if (error !== undefined) throw error
  }

  async #publishAll(messages: readonly OutgoingMessage[]): Promise<readonly Outcome[]> {
    const outcomes: Outcome[] = messages.map(() => undefined)
    const puts: StorePut[] = []
    const owners: number[] = []
    for (const [index, message] of messages.entries()) {
      try {
        this.#setup.check()
        for (const put of await this.#route(message)) {
          puts.push(put)
          owners.push(index)
        }
      } catch (error) {
        outcomes[index] = publishError(this.#setup.translate(error), false)
      }
    }
    let done = 0
    for (const some of this.#chunks(puts)) {
      const errors = await this.#putSome(some)
      for (const [index, error] of errors.entries()) {
        if (error !== undefined) outcomes[owners[done + index] as number] ??= error
      }
      done += some.length
    }
    return outcomes
  }

  async #putSome(puts: readonly StorePut[]): Promise<readonly Outcome[]> {
    const { store, translate } = this.#setup
    const refused = (error: unknown): CeleryError => publishError(translate(error), true)
    try {
      const errors = await store.put(puts)
      return puts.map((_, index) => (errors[index] === undefined ? undefined : refused(errors[index])))
    } catch (error) {
      return puts.map(() => refused(error))
    }
  }

  /** As many puts at a time as the store takes, in order. */
  *#chunks(puts: readonly StorePut[]): Generator<readonly StorePut[]> {
    const { maxPut, maxPutBytes } = this.#setup
    if (puts.length <= maxPut && maxPutBytes === Infinity) {
      if (puts.length > 0) yield puts
      return
    }
    let some: StorePut[] = []
    let bytes = 0
    for (const put of puts) {
      const size = Buffer.byteLength(put.payload)
      if (some.length > 0 && (some.length >= maxPut || bytes + size > maxPutBytes)) {
        yield some
        some = []
        bytes = 0
      }
      some.push(put)
      bytes += size
    }
    if (some.length > 0) yield some
  }

  /** One put per queue, each copy with a delivery tag of its own. */
  async #route(message: OutgoingMessage): Promise<readonly StorePut[]> {
    const { exchange, routingKey, properties } = message
    const { store, bindings, deadletterQueue, capabilities } = this.#setup
    if (store.fanout !== undefined && message.exchangeType === 'fanout') {
      await this.#broadcast(message, this.#envelope(message))
      return []
    }
    let queues = route(message, exchange === '' ? [] : await bindings.bindings(exchange))
    if (message.mandatory === true && !(await this.#taken(message, queues))) {
      throw new PublishError(
        `No queue takes ${JSON.stringify(routingKey)} from exchange ${JSON.stringify(exchange)}.`,
        { maybeDelivered: false, retryable: false, details: { returned: true } },
      )
    }
    if (queues.length === 0 && deadletterQueue !== undefined) queues = [deadletterQueue]
    return queues.map((queue) => ({
      queue,
      payload: this.#envelope(message),
      priority: this.#priority(properties.priority ?? 0),
      notBefore: this.#notBefore(message.notBefore),
      expiresInMs: capabilities.messageTtl ? milliseconds(properties.expiration) : undefined,
      extra: properties.extra,
    }))
  }

  /** The default exchange leads to every queue there is: whether this one is, only the store may know. */
  async #taken({ exchange }: OutgoingMessage, queues: readonly string[]): Promise<boolean> {
    const [queue] = queues
    if (queue === undefined) return false
    return exchange !== '' || (await this.#setup.store.queueExists?.(queue)) !== false
  }

  async #broadcast({ exchange, routingKey }: OutgoingMessage, payload: string): Promise<void> {
    try {
      await this.#setup.store.fanout?.publish(exchange, routingKey, payload)
    } catch (error) {
      throw publishError(this.#setup.translate(error), true)
    }
  }

  #envelope(message: OutgoingMessage): string {
    const { exchange, routingKey } = message
    const payload = encodeEnvelope(message, { exchange, routingKey, deliveryTag: crypto.randomUUID() })
    const { name, capabilities } = this.#setup
    if (capabilities.maxMessageBytes === null) return payload
    const bytes = Buffer.byteLength(payload)
    const maxBytes = capabilities.maxMessageBytes - parkingReserve(capabilities.maxMessageBytes)
    if (bytes > maxBytes) {
      throw new MessageTooLargeError(
        `The message has ${bytes} bytes, ${name} takes ${maxBytes}. Send less, or a reference to it.`,
        { bytes, maxBytes, details: { maybeDelivered: false } },
      )
    }
    return payload
  }

  #priority(priority: number): number {
    const levels = this.#setup.capabilities.priorities?.levels ?? 1
    return Math.min(levels - 1, Math.max(0, Math.trunc(priority)))
  }

  #notBefore(notBefore: number | undefined): number | undefined {
    const { nativeDelay } = this.#setup.capabilities
    if (nativeDelay === null || notBefore === undefined) return undefined
    const now = Date.now()
    // Beyond what the broker can keep, the message comes early and the worker holds it: `eta` is in its headers.
    return notBefore <= now ? undefined : Math.min(notBefore, now + nativeDelay.maxMs)
  }
}

/** Room that is kept free in every message, so that it can be parked with its history. */
function parkingReserve(maxMessageBytes: number): number {
  return Math.min(1_024, Math.floor(maxMessageBytes / 8))
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
