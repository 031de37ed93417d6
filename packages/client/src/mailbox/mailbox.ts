import { randomUUID } from 'node:crypto'
import type { Broker, Delivery, ExchangeDeclaration, SerializerRegistry } from '@ct/contracts'
import { ConfigurationError, UnsupportedError } from '@ct/contracts'
import { abortable, longestTimerMs } from '../connection/index.ts'
import { checkCallOptions } from './call-options.ts'
import type { ControlCodec, ControlReply, ControlSettings } from './control-message.ts'
import {
  patternMatcher,
  readReply,
  replyExchange,
  replyQueue,
  requestExchange,
  writeControlMessage,
} from './control-message.ts'
import { ReplyCollector } from './reply-collector.ts'
import type { Producer } from '../producer/index.ts'

/** Lamport clock of the app. */
export interface MailboxClock {
  forward(): number
  adjust(other: number): number
}

export interface MailboxSettings extends ControlSettings {
  /** Serializer of requests and replies. Default `json`. */
  readonly taskSerializer?: string | undefined
  /** Default `['json']`. */
  readonly acceptContent?: readonly string[] | undefined
}

export interface MailboxOptions {
  readonly broker: () => Broker
  readonly producer: Pick<Producer, 'publish' | 'connection'>
  readonly serializers: SerializerRegistry
  readonly clock: MailboxClock
  /** Id of this process; names its reply queue. */
  readonly oid: string
  readonly settings?: MailboxSettings | undefined
  /** Milliseconds since 1970. */
  readonly now?: (() => number) | undefined
  /** Told of replies that cannot be read and of two nodes of one name. */
  readonly warn?: ((message: string) => void) | undefined
}

/** Whom a command is for. At most one of `destination` and `pattern`; neither: every node. */
export interface Addressing {
  /** Exact node names, e.g. `['celery@host']`. */
  readonly destination?: readonly string[] | null | undefined
  /** Node names by pattern; see `matcher`. */
  readonly pattern?: string | null | undefined
  /** `glob` (default) or `pcre`. */
  readonly matcher?: 'glob' | 'pcre' | null | undefined
}

export interface BroadcastCallOptions extends Addressing {
  readonly arguments?: Readonly<Record<string, unknown>> | undefined
  /** Wait for answers. Default false. */
  readonly reply?: boolean | undefined
  /** Milliseconds without a further answer after which waiting ends; `Infinity` with a `limit` or `signal`. Default 1,000. */
  readonly timeoutMs?: number | undefined
  /** Most answers to wait for. Default: the number of destinations, else no limit. */
  readonly limit?: number | undefined
  /** Called for each answer as it comes. */
  readonly callback?: ((reply: Readonly<Record<string, unknown>>) => void) | undefined
  readonly signal?: AbortSignal | undefined
}

/** Sends commands to all workers and collects their answers (kombu/pidbox.py 5.7, Mailbox). */
export class Mailbox {
  readonly #options: MailboxOptions
  readonly #settings: MailboxSettings
  readonly #collector: ReplyCollector
  readonly #exchanges: readonly ExchangeDeclaration[]
  #codec: ControlCodec | undefined

  constructor(options: MailboxOptions) {
    this.#options = options
    this.#settings = options.settings ?? {}
    this.#exchanges = [requestExchange(this.#settings)]
    this.#collector = new ReplyCollector(replyQueue(options.oid, this.#settings), (signal) =>
      options.producer.connection({ signal }),
    )
  }

  /**
   * Sends a command. With `reply`, resolves to the answers as `{ node: value }` each, in order of arrival. Throws
   * `CT_UNSUPPORTED` on brokers without fanout, `CT_CONFIGURATION`, `CT_PUBLISH`, `CT_ABORTED`.
   */
  async broadcast(
    method: string,
    options: BroadcastCallOptions = {},
  ): Promise<readonly Readonly<Record<string, unknown>>[]> {
    checkCallOptions(method, options)
    const { destination, pattern } = options
    const broker = this.#options.broker()
    if (!broker.capabilities.remoteControl) {
      throw new UnsupportedError(
        `Remote control needs fanout, which the broker ${broker.name} does not have: "${method}" was not sent.`,
      )
    }
    if (destination != null && !Array.isArray(destination)) {
      throw new ConfigurationError(
        `destination must be a list of node names, such as ["${String(destination)}"].`,
      )
    }
    const matcher = options.matcher ?? (pattern == null ? null : 'glob')
    if (pattern != null && patternMatcher(pattern, matcher ?? 'glob') === undefined) {
      throw new ConfigurationError(
        `"${pattern}" is no pattern of the kind "${String(matcher)}". Kinds are "glob" and "pcre".`,
      )
    }
    const request = {
      method,
      arguments: options.arguments ?? {},
      destination: destination ?? null,
      pattern: pattern ?? null,
      matcher: matcher ?? null,
    }
    if (options.reply !== true) {
      await this.#send({ ...request, clock: this.#options.clock.forward() }, 0, options.signal)
      return []
    }
    return await this.#ask(request, options)
  }

  /** Ends waiting for replies; the connection is the producer's. Never rejects. */
  close(): Promise<void> {
    return this.#collector.close()
  }

  async #ask(
    request: {
      readonly method: string
      readonly arguments: Readonly<Record<string, unknown>>
      readonly destination: readonly string[] | null
      readonly pattern: string | null
      readonly matcher: string | null
    },
    options: BroadcastCallOptions,
  ): Promise<readonly Readonly<Record<string, unknown>>[]> {
    const { signal, timeoutMs = 1000 } = options
    const limit = options.limit ?? (request.destination?.length || Infinity)
    const ticket = randomUUID()
    const replies: Readonly<Record<string, unknown>>[] = []
    const done = Promise.withResolvers<void>()
    // Nobody waits for it yet while the request is sent.
    done.promise.catch(() => {})
    let timer: NodeJS.Timeout | undefined
    const release = await this.#collector.acquire((delivery) => {
      if (replies.length >= limit) return
      try {
        for (const reply of this.#repliesTo(ticket, delivery)) {
          const entry = { [reply.node]: reply.value }
          replies.push(entry)
          options.callback?.(entry)
        }
      } catch (error) {
        done.reject(error)
      }
      if (replies.length >= limit) done.resolve()
      else timer?.refresh()
    }, signal)
    try {
      const { oid, clock, now = Date.now } = this.#options
      const expires = timeoutMs === Infinity ? 0 : (now() + timeoutMs) / 1000
      const replyTo = { exchange: replyExchange(this.#settings), routingKey: oid }
      // Answers may come before the publish is confirmed; the time allowed counts from then.
      await this.#send({ ...request, ticket, replyTo, clock: clock.forward() }, expires, signal)
      timer = setTimeout(done.resolve, Math.min(timeoutMs, longestTimerMs))
      await abortable(done.promise, signal, `Waiting for answers to "${request.method}"`)
    } finally {
      clearTimeout(timer)
      release()
    }
    return replies
  }

  async #send(
    message: Parameters<typeof writeControlMessage>[0],
    expires: number,
    signal: AbortSignal | undefined,
  ): Promise<void> {
    await this.#options.producer.publish(
      writeControlMessage(message, expires, this.#coding(), this.#settings),
      { signal, exchanges: this.#exchanges },
    )
  }

  #repliesTo(ticket: string, delivery: Delivery): ControlReply[] {
    const { clock, now = Date.now, warn } = this.#options
    const expires = delivery.headers['expires']
    if (typeof expires === 'number' && expires > 0 && expires < now() / 1000) return []
    const wanted = delivery.headers['ticket']
    if (wanted != null && wanted !== ticket) return []
    try {
      const replies = readReply(delivery, this.#coding())
      const [first] = replies
      if (first !== undefined) clock.adjust(first.clock)
      return replies
    } catch (error) {
      warn?.(
        `An answer to a control command cannot be read: ${error instanceof Error ? error.message : String(error)}`,
      )
      return []
    }
  }

  #coding(): ControlCodec {
    const { serializers } = this.#options
    this.#codec ??= {
      serializers,
      serializer: this.#settings.taskSerializer ?? 'json',
      accept: serializers.accept(this.#settings.acceptContent ?? ['json']),
    }
    return this.#codec
  }
}
