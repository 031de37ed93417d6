/** The connection that a producer publishes over: made when needed, with queues declared on it, given up when it does not answer. */
import {
  AbortedError,
  BrokerUnavailableError,
  isCeleryError,
  PublishError,
  type Broker,
  type BrokerConnection,
} from '@ct/contracts'
import { abortable, Deadline, ReconnectingConnection, type ConnectionListener } from '../connection/index.ts'
import { Declarations } from './declarations.ts'
import type { ProducerOptions, PublishOptions } from './producer-options.ts'
import type { PublishRetries } from './publish-retries.ts'

export interface PublishingLinkOptions extends Pick<ProducerOptions, 'broker' | 'settings' | 'backoff'> {
  /** Of a publish; null: none. */
  readonly timeoutMs: number | null
  readonly retries: PublishRetries
}

/** Share of `publishTimeoutMs` without an answer after which a connection is given up; the rest was spent on making it. */
const leastSilence = 0.9

/** With a blank in front; nothing where no adapter owns the URL: that is for connecting to say, not for closing. */
function addressOf(broker: () => Broker): string {
  try {
    return ` ${broker().describe().url}`
  } catch {
    return ''
  }
}

export class PublishingLink {
  readonly #options: PublishingLinkOptions
  readonly #connection: ReconnectingConnection<BrokerConnection>
  readonly #declarations = new Declarations()
  /** The broker asked us to wait: silence is then no sign of a dead connection. */
  #blocked = false

  constructor(options: PublishingLinkOptions) {
    this.#options = options
    this.#connection = new ReconnectingConnection({
      connect: (connect) => options.broker().connect(connect),
      describe: () => `the broker${addressOf(options.broker)}`,
      connectTimeoutMs: (options.settings?.brokerConnectionTimeout ?? 4) * 1000,
      unavailable: (message, cause) => new BrokerUnavailableError(message, { cause }),
      backoff: options.backoff,
    })
    this.#connection.listen({
      onReady: () => {
        this.#blocked = false
      },
      onNotice: ({ kind }) => {
        if (kind === 'connection-blocked') this.#blocked = true
        else if (kind === 'connection-unblocked') this.#blocked = false
      },
    })
  }

  /** Undefined while there is none. */
  get current(): BrokerConnection | undefined {
    return this.#connection.current
  }

  listen(listener: ConnectionListener<BrokerConnection>): () => void {
    return this.#connection.listen(listener)
  }

  close(): Promise<void> {
    return this.#connection.close()
  }

  hasDeclared(connection: BrokerConnection, { declare, exchanges }: PublishOptions): boolean {
    return this.#declarations.has(connection, declare, exchanges)
  }

  /** The connection, made if need be; waits at most as long as a publish. */
  async ready(signal: AbortSignal | undefined): Promise<BrokerConnection> {
    using deadline = new Deadline(this.#options.timeoutMs, signal)
    try {
      return await this.#connection.whenReady({ signal: deadline.signal })
    } catch (error) {
      if (!deadline.expired) throw error
      const { lastFailure } = this.#connection
      throw new BrokerUnavailableError(
        `The broker${addressOf(this.#options.broker)} could not be reached within ${this.#options.timeoutMs} ms` +
          `${lastFailure === undefined ? ': it does not answer' : `: ${lastFailure.message}`}`,
        { cause: lastFailure ?? error },
      )
    }
  }

  /** True: the message was returned because a queue that we had declared is no more: it will be declared again. */
  forgetVanished(error: unknown, connection: BrokerConnection, { declare = [] }: PublishOptions): boolean {
    if (!isCeleryError(error) || error.details['returned'] !== true || declare.length === 0) return false
    this.#declarations.forget(connection, declare)
    return true
  }

  /** The connection, with what this publish needs declared on it. */
  async declared(options: PublishOptions, deadline: Deadline): Promise<BrokerConnection> {
    const connection = await this.#connection.whenReady({
      signal: deadline.signal,
      ...(this.#options.retries.wanted(options) ? {} : { maxAttempts: 1 }),
    })
    const { declare, exchanges } = options
    if (!this.#declarations.has(connection, declare, exchanges)) {
      const declaring = this.#declarations.declare(connection, declare, exchanges)
      try {
        await abortable(declaring, deadline.signal, 'Declaring queues')
      } catch (error) {
        throw this.#connection.meaningOf(connection, error)
      }
    }
    return connection
  }

  /** No answer for as long as a publish may take at all: the connection is dead, whatever the socket says. */
  unanswered(connection: BrokerConnection, waitedMs: number): void {
    if (
      this.#blocked ||
      this.#options.timeoutMs === null ||
      waitedMs < this.#options.timeoutMs * leastSilence
    )
      return
    this.#connection.markLost(
      connection,
      new BrokerUnavailableError(`The broker did not answer a publish for ${Math.round(waitedMs)} ms.`),
    )
  }

  /** See {@link ReconnectingConnection.meaningOf}; a message that had been handed over may have arrived. */
  meaningOf<E>(connection: BrokerConnection | undefined, error: E): E | PublishError {
    if (connection === undefined) return error
    const meaning = this.#connection.meaningOf(connection, error)
    if (meaning === error) return error
    return new PublishError((meaning as Error).message, { maybeDelivered: true, cause: error })
  }

  /** What stood in the way when the time was up. Our own giving up explains nothing. */
  whyNot(handedOver: BrokerConnection | undefined, error: unknown): unknown {
    if (!(error instanceof AbortedError)) return error
    if (handedOver !== undefined || this.#connection.current !== undefined) return undefined
    return (
      this.#connection.lastFailure ??
      new BrokerUnavailableError(`the broker${addressOf(this.#options.broker)} does not answer`)
    )
  }
}
