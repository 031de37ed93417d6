import {
  BackendError,
  BackendUnavailableError,
  isCeleryError,
  UnsupportedError,
  type CallOptions,
  type CeleryError,
  type ResultBackendConnection,
  type ResultSubscription,
  type ResultWrite,
  type StoredResult,
} from '@ct/contracts'
import { Publisher } from '../broker/publisher.ts'
import { Topology } from '../broker/topology.ts'
import { operationFailure } from '../connection/failure.ts'
import type { Link } from '../connection/link.ts'
import type { BrokerSettings } from '../options/broker-options.ts'
import type { ReceivedResults } from './received-results.ts'
import { RpcSubscription } from './subscription.ts'

export interface ReplySettings {
  readonly replyTo: string
  readonly expiresMs: number
  readonly resultPersistent: boolean
  readonly contentType: string
  readonly contentEncoding: string
}

/** The same failure, as one of a result backend. */
export function backendFailure(error: unknown): CeleryError {
  const failure = isCeleryError(error) ? error : operationFailure(error, 'the reply queue', false)
  const options = { cause: failure.cause ?? failure, retryable: failure.retryable, details: failure.details }
  if (failure.code === 'CT_BROKER_UNAVAILABLE' || failure.code === 'CT_PUBLISH')
    return new BackendUnavailableError(failure.message, options)
  if (failure.code === 'CT_BROKER') return new BackendError(failure.message, options)
  return failure
}

/** Sends results to the reply queues of others, and receives those for us in one of our own. */
export class RpcConnection implements ResultBackendConnection {
  readonly #link: Link
  readonly #topology: Topology
  readonly #publisher: Publisher
  readonly #settings: ReplySettings
  readonly #received: ReceivedResults
  readonly #onClosed: (connection: RpcConnection) => void
  #closed: Promise<void> | undefined

  constructor(
    link: Link,
    broker: BrokerSettings,
    settings: ReplySettings,
    received: ReceivedResults,
    onClosed: (connection: RpcConnection) => void,
  ) {
    this.#link = link
    this.#settings = settings
    this.#received = received
    this.#onClosed = onClosed
    this.#topology = new Topology(link)
    this.#publisher = new Publisher(link, this.#topology, broker, undefined)
  }

  /** The reply queue is there, and we listen, before anybody is told its name (BACK-20). */
  async prepare(): Promise<void> {
    const { replyTo, expiresMs } = this.#settings
    await this.#publisher.ready()
    await this.#topology.declareQueue({
      name: replyTo,
      durable: true,
      exclusive: false,
      autoDelete: true,
      arguments: { 'x-expires': expiresMs },
      bindings: [],
    })
    const channel = await this.#link.channel()
    const deaf = (): void => this.#link.abandon(`nobody listens to the reply queue ${replyTo} any more`)
    channel.once('close', deaf)
    await channel.consume(
      replyTo,
      (message) => {
        // Cancelled: somebody has deleted the queue. On the next connection it is made again.
        if (message === null) return deaf()
        const id: unknown = message.properties.correlationId
        if (typeof id === 'string') this.#received.receive(id, message.content)
      },
      { noAck: true },
    )
  }

  async store(writes: readonly ResultWrite[], options?: CallOptions): Promise<void> {
    const { resultPersistent, contentType, contentEncoding } = this.#settings
    const messages = writes.flatMap(({ taskId, correlationId, replyTo, document }) =>
      // Nobody asked to be told.
      replyTo === undefined || replyTo === ''
        ? []
        : [
            {
              exchange: '',
              routingKey: replyTo,
              body: document,
              contentType,
              contentEncoding,
              headers: {},
              properties: {
                correlationId: correlationId ?? taskId,
                deliveryMode: resultPersistent ? 2 : 1,
              } as const,
            },
          ],
    )
    await this.#guarded(async () => {
      if (messages.length === 0) return
      const outcomes = await this.#publisher.publishMany(messages, options)
      const failed = outcomes.find((outcome) => outcome !== undefined)
      if (failed !== undefined) throw failed
    })
  }

  getMany(taskIds: readonly string[]): Promise<readonly (StoredResult | undefined)[]> {
    return this.#guarded(async () => {
      this.#received.assertKept(taskIds)
      return taskIds.map((taskId) => this.#received.get(taskId))
    })
  }

  forget(taskIds: readonly string[]): Promise<void> {
    return this.#guarded(async () => this.#received.forget(taskIds))
  }

  subscribe(onResult: (result: StoredResult) => void): ResultSubscription {
    return new RpcSubscription(this.#received, onResult, () => this.#assertOpen())
  }

  storeGroup(): Promise<void> {
    return this.#guarded(() => Promise.reject(unsupported()))
  }

  getGroup(): Promise<Uint8Array | undefined> {
    return this.#guarded(() => Promise.reject(unsupported()))
  }

  forgetGroup(): Promise<void> {
    return this.#guarded(() => Promise.reject(unsupported()))
  }

  async cleanup(): Promise<number> {
    return this.#guarded(async () => 0)
  }

  close(): Promise<void> {
    this.#closed ??= this.#link.close().then(() => this.#onClosed(this))
    return this.#closed
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #guarded<T>(call: () => Promise<T>): Promise<T> {
    this.#assertOpen()
    try {
      return await call()
    } catch (error) {
      throw backendFailure(error)
    }
  }

  #assertOpen(): void {
    try {
      this.#link.assertOpen()
    } catch (error) {
      throw backendFailure(error)
    }
  }
}

function unsupported(): UnsupportedError {
  return new UnsupportedError(
    'The RPC result backend keeps no groups; use Redis or a database for their results',
  )
}
