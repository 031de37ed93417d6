import type { Channel, ChannelModel, ConfirmChannel } from 'amqplib'
import { BrokerUnavailableError, ClosedError, type CeleryError, type NoticeListener } from '@ct/contracts'
import { operationFailure } from './failure.ts'
import { readAnyHeaders } from './unreadable-headers.ts'

/** How long RabbitMQ may take to answer that we close, before the socket is simply cut. */
const farewellMs = 2_000
/** How long what has to be done before may take altogether: a server that stands still must not keep a worker from stopping. */
const lastWordsMs = 5_000

/**
 * One AMQP connection, from open to gone.
 *
 *   open ──server or network──► lost   (told once; every later call is refused)
 *    └────────close()─────────► closed
 */
export class Link {
  readonly #model: ChannelModel
  readonly #server: string
  readonly #onNotice: NoticeListener
  readonly #gone: (() => void)[] = []
  #lost: BrokerUnavailableError | undefined
  #closing: Promise<void> | undefined
  #cause: unknown
  /** It has not answered for `lastWordsMs`. */
  #silent: boolean = false
  /** Set while RabbitMQ blocks publishers (memory or disk alarm). */
  blocked: string | undefined

  constructor(model: ChannelModel, server: string, onNotice: NoticeListener) {
    this.#model = model
    this.#server = server
    this.#onNotice = onNotice
    readAnyHeaders(model)
    model.on('error', (error: Error) => (this.#cause ??= error))
    model.on('close', (error?: Error) => this.#ended(error))
    model.on('blocked', (reason: string) => {
      this.blocked = String(reason)
      if (this.#closing === undefined) onNotice({ kind: 'connection-blocked', reason: this.blocked })
    })
    model.on('unblocked', () => {
      this.blocked = undefined
      if (this.#closing === undefined) onNotice({ kind: 'connection-unblocked' })
    })
  }

  /** `3.10.8` and the like; empty where the server does not say. */
  get serverVersion(): string {
    return String(this.#model.connection.serverProperties?.version ?? '')
  }

  get isLost(): boolean {
    return this.#lost !== undefined
  }

  get isOpen(): boolean {
    return this.#lost === undefined && this.#closing === undefined
  }

  /** Called once when the connection ends, whoever ended it. */
  onGone(listener: () => void): void {
    this.#gone.push(listener)
  }

  /** Throws `CT_CLOSED` or `CT_BROKER_UNAVAILABLE` unless open. */
  assertOpen(): void {
    if (this.#closing !== undefined) throw new ClosedError('This connection to RabbitMQ is closed')
    if (this.#lost !== undefined) throw this.#lost
  }

  failure(error: unknown, what: string): CeleryError {
    if (this.#closing !== undefined)
      return new ClosedError(`The connection to RabbitMQ was closed during ${what}`)
    return this.#lost ?? operationFailure(error, what, false)
  }

  async channel(): Promise<Channel> {
    return this.#opened(() => this.#model.createChannel())
  }

  async confirmChannel(): Promise<ConfirmChannel> {
    return this.#opened(() => this.#model.createConfirmChannel())
  }

  async #opened<T extends Channel>(open: () => Promise<T>): Promise<T> {
    this.assertOpen()
    try {
      const channel = await open()
      // Whoever waits for something on the channel is told there; without a listener the event would throw.
      channel.on('error', () => undefined)
      return channel
    } catch (error) {
      throw this.failure(error, 'opening a channel')
    }
  }

  /** For calls of which all is ended: rejects with `CT_BROKER_UNAVAILABLE` after a while, at once where another one has waited in vain. */
  async lastWord<T>(call: Promise<T>): Promise<T> {
    const { promise, reject } = Promise.withResolvers<never>()
    const timer = setTimeout(
      () => {
        this.#silent = true
        reject(
          new BrokerUnavailableError(
            `RabbitMQ at ${this.#server} has not answered for ${lastWordsMs / 1000} s.`,
          ),
        )
      },
      this.#silent ? 0 : lastWordsMs,
    )
    try {
      return await Promise.race([call, promise])
    } finally {
      clearTimeout(timer)
      call.catch(() => undefined)
    }
  }

  /** As if the server had ended it: for what only a new connection mends. Of no effect when it has ended. */
  abandon(why: string): void {
    if (!this.isOpen) return
    this.#cause ??= new Error(why)
    this.#model.close().catch(() => undefined)
  }

  close(): Promise<void> {
    this.#closing ??= this.#farewell()
    return this.#closing
  }

  async #farewell(): Promise<void> {
    if (this.#lost !== undefined) return
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(resolve, farewellMs)
    this.#gone.push(resolve)
    try {
      await Promise.race([this.#model.close(), promise])
    } catch {
      // Closed already.
    }
    clearTimeout(timer)
    this.#cut()
    for (const listener of this.#gone.splice(0)) listener()
  }

  #ended(error: Error | undefined): void {
    this.#cut()
    if (this.#closing === undefined && this.#lost === undefined) {
      const cause = error ?? this.#cause
      const why = cause instanceof Error ? cause.message : 'the server closed it'
      this.#lost = new BrokerUnavailableError(
        `The connection to RabbitMQ at ${this.#server} was lost: ${why}`,
        {
          cause: cause ?? new Error('connection closed'),
        },
      )
      for (const listener of this.#gone.splice(0)) listener()
      this.#onNotice({ kind: 'connection-lost', error: this.#lost })
    } else {
      for (const listener of this.#gone.splice(0)) listener()
    }
  }

  /**
   * amqplib ends its side only; a server that hangs would keep the socket. By the error amqplib learns that nothing will be answered any more:
   * it gives up what is pending and its heartbeat.
   */
  #cut(): void {
    const { stream } = this.#model.connection as unknown as {
      readonly stream?: { destroy(error: Error): void }
    }
    setImmediate(() => stream?.destroy(new Error('The connection was closed')))
  }
}
