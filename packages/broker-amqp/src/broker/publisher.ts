import { randomUUID } from 'node:crypto'
import type { Channel, ConfirmChannel, Message, Options } from 'amqplib'
import type { CallOptions, CeleryError, OutgoingMessage } from '@ct/contracts'
import { FrameWriter } from '../connection/frame-writer.ts'
import { rawChannel, type RawChannel } from '../connection/raw-channel.ts'
import { raceSignal, replyCode } from '../connection/failure.ts'
import type { Link } from '../connection/link.ts'
import type { BrokerSettings } from '../options/broker-options.ts'
import type { DelayedDelivery } from './delayed-delivery.ts'
import { messageProperties } from './message-properties.ts'
import {
  noExchange,
  notSent,
  refused,
  returned,
  tooLarge,
  unconfirmed,
  unwritable,
} from './publish-failures.ts'
import type { Topology } from './topology.ts'

/** Bytes after which a turn's messages are written without waiting for the others. */
const longestPiece = 128 * 1024

interface Pending {
  readonly message: OutgoingMessage
  /** Set for `mandatory`: the message_id under which RabbitMQ would return it. */
  readonly returnId: string | undefined
  readonly settle: (error: CeleryError | undefined) => void
}

/**
 * Publishing with confirms in flight. A message to an exchange that does not exist would cost the channel, and with it the certainty about all
 * others on it; so an exchange is looked up once before the first message to it.
 */
export class Publisher {
  readonly #link: Link
  readonly #topology: Topology
  readonly #settings: BrokerSettings
  readonly #delayed: DelayedDelivery | undefined
  readonly #known = new Set<string>(['', 'amq.direct', 'amq.topic', 'amq.fanout', 'amq.headers', 'amq.match'])
  readonly #pending = new Set<Pending>()
  /** Without confirms: written where the socket takes no more for now. */
  readonly #unflushed = new Set<Pending>()
  /** Ids that nobody else uses, and that cost little. */
  readonly #idPrefix: string = randomUUID()
  #mandatory: number = 0
  readonly #returned = new Map<string, string>()
  #channel: Promise<ConfirmChannel | Channel> | undefined
  #open: ConfirmChannel | Channel | undefined
  #raw: RawChannel | undefined
  readonly #writer = new FrameWriter()
  #flushing: boolean = false
  /** Without confirms RabbitMQ says why it closed the channel, and nobody is waiting: the next publish is told. */
  #closedBecause: unknown

  constructor(
    link: Link,
    topology: Topology,
    settings: BrokerSettings,
    delayed: DelayedDelivery | undefined,
  ) {
    this.#link = link
    this.#topology = topology
    this.#settings = settings
    this.#delayed = delayed
  }

  async publish(message: OutgoingMessage, options?: CallOptions): Promise<void> {
    const channel = this.#open
    const plain = this.#delayed === undefined || message.notBefore === undefined
    if (channel !== undefined && plain && this.#known.has(message.exchange)) {
      this.#link.assertOpen()
      const failure = await raceSignal('Publishing', this.#send(channel, message), options?.signal)
      if (failure !== undefined) throw failure
      return
    }
    const [outcome] = await this.publishMany([message], options)
    if (outcome !== undefined) throw outcome
  }

  async publishMany(
    given: readonly OutgoingMessage[],
    options?: CallOptions,
  ): Promise<readonly (CeleryError | undefined)[]> {
    this.#link.assertOpen()
    let messages = given
    if (this.#delayed !== undefined && given.some(({ notBefore }) => notBefore !== undefined)) {
      const routed: OutgoingMessage[] = []
      for (const message of given) {
        const seconds = this.#delayed.secondsOf(message)
        const delayed = seconds === 0 ? undefined : await this.#delayed.route(message, seconds, options)
        routed.push(delayed ?? message)
      }
      messages = routed
    }
    // Synchronously where possible: publishes of one turn keep their order.
    let channel = this.#open
    const unknown = messages.filter(({ exchange }) => !this.#known.has(exchange))
    const missing = new Map<string, CeleryError | undefined>()
    if (unknown.length > 0) {
      for (const { exchange, exchangeType } of unknown) {
        if (missing.has(exchange)) continue
        const verdict = await this.#lookUp(exchange, exchangeType, options)
        if (verdict === 'exists') this.#known.add(exchange)
        else missing.set(exchange, verdict)
      }
      channel = this.#open
    }
    channel ??= await raceSignal('Publishing', this.ready(), options?.signal)
    const sending = messages.map((message) =>
      missing.has(message.exchange)
        ? Promise.resolve(missing.get(message.exchange))
        : this.#send(channel, message),
    )
    return raceSignal('Publishing', Promise.all(sending), options?.signal)
  }

  /** `exists`; undefined: a fanout exchange that nobody made has no listeners, so the message goes where it would have gone. */
  async #lookUp(
    exchange: string,
    type: string | undefined,
    options: CallOptions | undefined,
  ): Promise<CeleryError | 'exists' | undefined> {
    const what = `looking up exchange ${JSON.stringify(exchange)}`
    const found = await this.#topology.find(what, (channel) => channel.checkExchange(exchange), options)
    if (found !== undefined) return 'exists'
    if (type === 'fanout') return undefined
    return noExchange(exchange)
  }

  ready(): Promise<ConfirmChannel | Channel> {
    this.#channel ??= this.#openChannel().catch((error: unknown) => {
      this.#channel = undefined
      throw error
    })
    return this.#channel
  }

  async #openChannel(): Promise<ConfirmChannel | Channel> {
    const channel = await (this.#settings.confirms ? this.#link.confirmChannel() : this.#link.channel())
    channel.on('error', (error: Error) => (this.#closedBecause = error))
    channel.on('return', (message: Message) => this.#onReturn(message))
    channel.on('drain', () => {
      for (const { settle } of this.#unflushed) settle(undefined)
      this.#unflushed.clear()
    })
    channel.on('close', () => {
      this.#open = undefined
      this.#channel = undefined
      this.#raw = undefined
      this.#writer.clear()
      // An exchange may have been deleted; look again.
      if (replyCode(this.#closedBecause) === 404) {
        for (const name of this.#known) if (name !== '' && !name.startsWith('amq.')) this.#known.delete(name)
        this.#delayed?.forget()
      }
      const error = this.#closedBecause
      this.#closedBecause = undefined
      for (const { message, settle } of [...this.#pending, ...this.#unflushed])
        settle(unconfirmed(message, error))
      this.#pending.clear()
      this.#unflushed.clear()
    })
    this.#open = channel
    if (this.#settings.confirms) this.#raw = rawChannel(channel)
    return channel
  }

  #send(channel: ConfirmChannel | Channel, message: OutgoingMessage): Promise<CeleryError | undefined> {
    const bytes = message.body.length
    const maxBytes = this.#settings.maxMessageSize
    if (bytes > maxBytes) return Promise.resolve(tooLarge(message, bytes, maxBytes))
    const { promise, resolve } = Promise.withResolvers<CeleryError | undefined>()
    const returnId = message.mandatory === true ? `${this.#idPrefix}.${this.#mandatory++}` : undefined
    const pending: Pending = { message, returnId, settle: resolve }
    if (this.#raw !== undefined) {
      this.#sendRaw(this.#raw, channel, pending)
      return promise
    }
    let options: Options.Publish
    try {
      options = messageProperties(message, returnId)
    } catch (error) {
      return Promise.resolve(unwritable(error, message))
    }
    const body = Buffer.from(message.body.buffer, message.body.byteOffset, message.body.byteLength)
    try {
      if (this.#settings.confirms) {
        ;(channel as ConfirmChannel).publish(
          message.exchange,
          message.routingKey,
          body,
          options,
          (error: unknown) => this.#confirmed(pending, error),
        )
        this.#pending.add(pending)
      } else {
        const flowing = channel.publish(message.exchange, message.routingKey, body, options)
        if (flowing) resolve(undefined)
        else this.#unflushed.add(pending)
      }
    } catch (error) {
      // amqplib refuses before it writes anything.
      if (error instanceof RangeError || error instanceof TypeError) resolve(unwritable(error, message))
      else resolve(this.#notSent(error, message))
    }
    return promise
  }

  /** Everything of one turn goes out in one piece. */
  #sendRaw(raw: RawChannel, channel: ConfirmChannel | Channel, pending: Pending): void {
    const { message, returnId, settle } = pending
    if (channel !== this.#open) {
      settle(this.#notSent(new Error('the channel has ended'), message))
      return
    }
    const writer = this.#writer
    try {
      writer.message(raw.number, raw.frameMax, message, returnId)
    } catch (error) {
      settle(unwritable(error, message))
      return
    }
    raw.expectConfirm((error) => this.#confirmed(pending, error))
    this.#pending.add(pending)
    if (writer.length > longestPiece) this.#flush()
    else if (!this.#flushing) {
      this.#flushing = true
      // After all that runs in this turn, promises included.
      process.nextTick(() => this.#flush())
    }
  }

  #flush(): void {
    this.#flushing = false
    if (this.#raw !== undefined && this.#writer.length > 0) this.#raw.write(this.#writer.take())
  }

  #confirmed(pending: Pending, error: unknown): void {
    // Channels that end answer every callback with an error; `close` has the better one.
    if (!this.#pending.delete(pending)) return
    const why = pending.returnId === undefined ? undefined : this.#returned.get(pending.returnId)
    if (why !== undefined) {
      this.#returned.delete(pending.returnId as string)
      pending.settle(returned(pending.message, why))
    } else if (error === null || error === undefined) {
      pending.settle(undefined)
    } else if (/message nacked/i.test((error as Error).message)) {
      pending.settle(refused(pending.message, error))
    } else {
      pending.settle(unconfirmed(pending.message, this.#closedBecause ?? error))
    }
  }

  #onReturn(message: Message): void {
    const id: unknown = message.properties.messageId
    const { replyText } = message.fields as { readonly replyText?: string }
    if (typeof id === 'string') this.#returned.set(id, replyText ?? 'NO_ROUTE')
  }

  #notSent(error: unknown, message: OutgoingMessage): CeleryError {
    return notSent(message, this.#link.failure(error, 'publishing'), error)
  }
}
