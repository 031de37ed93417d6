/**
 * Publishing. What is published in one turn of the event loop goes out in one write, one LPUSH per list; its reply is the confirmation,
 * shared by all messages of that LPUSH.
 *
 * Order: messages go out in the order of the calls. Messages to named exchanges need their bindings read first, so everything behind
 * them waits for that one round trip.
 */
import { randomUUID } from 'node:crypto'
import {
  EnvelopeWriter,
  isCeleryError,
  PublishError,
  type CallOptions,
  type CeleryError,
  type Notice,
  type OutgoingMessage,
} from '@ct/contracts'
import { aborted, isOutOfMemory, throwIfAborted, toFailure } from '../connection/failure.ts'
import type { Link } from '../connection/link.ts'
import { PackedPush } from '../connection/packed-push.ts'
import type { Keys } from '../keys.ts'
import type { BrokerSettings } from '../options/broker-options.ts'
import type { Bindings } from './bindings.ts'
import { ListPush } from './list-push.ts'

/** One command, or one exchange to look up; with everybody who waits for it. */
type Piece = Push | Shout | Lookup

interface Push {
  readonly kind: 'push'
  readonly list: string
  readonly expiresMs: number
  readonly command: PackedPush
  readonly done: PromiseWithResolvers<void>
}

interface Shout {
  readonly kind: 'shout'
  readonly channels: readonly string[]
  readonly text: string
  readonly done: PromiseWithResolvers<void>
}

interface Lookup {
  readonly kind: 'lookup'
  readonly message: OutgoingMessage
  readonly done: PromiseWithResolvers<void>
}

/** Keeps one command from blocking the server, and the client's buffers, for long. */
const mostPerPush = 500
/** Of twelve hexadecimal digits, as all that follow. */
const firstTag = 0x1000_0000_0000

export class Publisher {
  readonly #link: Link
  readonly #keys: Keys
  readonly #bindings: Bindings
  readonly #settings: BrokerSettings
  readonly #onNotice: (notice: Notice) => void
  readonly #envelopes = new EnvelopeWriter()
  /** Tags look like the UUIDs that kombu gives; those of one connection differ in their last twelve digits. */
  readonly #tagPrefix: string = randomUUID().slice(0, 24)
  #tags = 0
  #pieces: Piece[] = []
  /** The open LPUSH of each list, since the last look-up. */
  #pushes = new Map<string, Push>()
  #scheduled = false
  #flushing = false
  #blocked = false

  constructor(
    link: Link,
    keys: Keys,
    bindings: Bindings,
    settings: BrokerSettings,
    onNotice: (notice: Notice) => void,
  ) {
    this.#link = link
    this.#keys = keys
    this.#bindings = bindings
    this.#settings = settings
    this.#onNotice = onNotice
  }

  /** See B4. */
  publish(message: OutgoingMessage, options?: CallOptions): Promise<void> {
    const signal = options?.signal
    try {
      throwIfAborted(signal, 'Publishing')
      const done = this.#add(message)
      return signal === undefined ? done : giveUp(done, signal)
    } catch (error) {
      return Promise.reject(error as Error)
    }
  }

  /** See B5. */
  async publishMany(
    messages: readonly OutgoingMessage[],
    options?: CallOptions,
  ): Promise<readonly (CeleryError | undefined)[]> {
    throwIfAborted(options?.signal, 'Publishing')
    const waits = messages.map((message) => {
      try {
        return this.#add(message)
      } catch (error) {
        return error as Error
      }
    })
    // Most messages share a promise with their neighbours; each is awaited once.
    const outcomes = new Map<Promise<void>, CeleryError | undefined>()
    const all = Promise.all(
      [...new Set(waits)].map(async (wait) => {
        if (wait instanceof Error) return
        try {
          await wait
          outcomes.set(wait, undefined)
        } catch (error) {
          outcomes.set(wait, error as CeleryError)
        }
      }),
    )
    await (options?.signal === undefined ? all : giveUp(all, options.signal))
    return waits.map((wait) => (wait instanceof Error ? this.#failure(wait, false) : outcomes.get(wait)))
  }

  /** What publishes this message when somebody else sends it; undefined: it has to be routed first, or is to be refused. */
  pushOf(message: OutgoingMessage): ListPush | undefined {
    const { exchange, routingKey: queue } = message
    if (exchange !== '' || !this.#keys.takesQueue(queue)) return undefined
    const list = this.#keys.list(queue, message.properties.priority)
    const deliveryTag = this.#newTag()
    const pieces = this.#envelopes.encodePieces(message, { exchange, routingKey: queue, deliveryTag })
    return new ListPush(list, pieces, this.#bindings.expiresMs(queue), message, deliveryTag)
  }

  #add(message: OutgoingMessage): Promise<void> {
    if (message.exchange === '') this.#keys.assertQueue(message.routingKey)
    if (!this.#scheduled && !this.#flushing) {
      this.#scheduled = true
      process.nextTick(this.#flush)
    }
    const { exchange, routingKey } = message
    if (exchange === '') return this.#push(message, routingKey)
    const done = Promise.withResolvers<void>()
    done.promise.catch(() => undefined)
    if ((message.exchangeType ?? this.#bindings.typeOf(exchange)) === 'fanout') {
      this.#pieces.push({
        kind: 'shout',
        channels: this.#keys.fanoutChannels(exchange, routingKey),
        text: this.#encode(message),
        done,
      })
    } else {
      this.#pieces.push({ kind: 'lookup', message, done })
      this.#pushes.clear()
    }
    return done.promise
  }

  #push(message: OutgoingMessage, queue: string): Promise<void> {
    const text = this.#encode(message)
    const list = this.#keys.list(queue, message.properties.priority)
    let push = this.#pushes.get(list)
    if (push === undefined || push.command.count >= mostPerPush) {
      push = {
        kind: 'push',
        list,
        expiresMs: this.#bindings.expiresMs(queue),
        command: new PackedPush(list),
        done: Promise.withResolvers(),
      }
      push.done.promise.catch(() => undefined)
      this.#pushes.set(list, push)
      this.#pieces.push(push)
    }
    push.command.add(text)
    return push.done.promise
  }

  readonly #flush = (): void => {
    this.#scheduled = false
    const pieces = this.#pieces
    this.#pieces = []
    this.#pushes.clear()
    const exchanges = new Set<string>()
    for (const piece of pieces) if (piece.kind === 'lookup') exchanges.add(piece.message.exchange)
    if (exchanges.size === 0) {
      this.#write(pieces, new Map())
      return
    }
    // What comes meanwhile waits behind, so that nothing overtakes.
    this.#flushing = true
    this.#bindings
      .tables([...exchanges])
      .then(
        (tables) => this.#write(pieces, tables),
        (error: unknown) => {
          for (const { done } of pieces) done.reject(this.#failure(error, false))
        },
      )
      .finally(() => {
        this.#flushing = false
        if (this.#pieces.length > 0) this.#flush()
      })
  }

  #write(pieces: readonly Piece[], tables: ReadonlyMap<string, readonly string[]>): void {
    this.#link.together(() => {
      for (const piece of pieces) {
        if (piece.kind === 'push')
          this.#settle(piece.done, this.#lpush(piece.list, piece.command, piece.expiresMs))
        else if (piece.kind === 'shout')
          this.#settle(
            piece.done,
            Promise.all(piece.channels.map((channel) => this.#link.send('publish', [channel, piece.text]))),
          )
        else this.#route(piece, tables.get(piece.message.exchange) ?? [])
      }
    })
  }

  #route({ message, done }: Lookup, table: readonly string[]): void {
    const { exchange, routingKey } = message
    let queues = this.#bindings.route(table, routingKey)
    const dead = this.#settings.deadletterQueue
    if (queues.length === 0 && dead !== undefined) queues = [dead]
    if (queues.length === 0) {
      // As in AMQP: nobody wants it, nobody gets it, unless the caller asked to be told.
      if (message.mandatory !== true) done.resolve()
      else {
        done.reject(
          new PublishError(
            `No queue is bound to exchange ${JSON.stringify(exchange)} for routing key ${JSON.stringify(routingKey)}; declare one first`,
            { maybeDelivered: false, retryable: false, details: { reason: 'unroutable' } },
          ),
        )
      }
      return
    }
    try {
      // Each copy has a tag of its own: with one tag, the first ack would take away the entry of the other (wire-brokers §3.1).
      const sent = queues.map((queue) => {
        const list = this.#keys.list(queue, message.properties.priority)
        const command = new PackedPush(list)
        command.add(this.#encode(message))
        return this.#lpush(list, command, this.#bindings.expiresMs(queue) || (message.queueExpiresMs ?? 0))
      })
      this.#settle(done, Promise.all(sent))
    } catch (error) {
      done.reject(this.#failure(error, false))
    }
  }

  #lpush(list: string, command: PackedPush, expiresMs: number): Promise<unknown> {
    const pushed = this.#link.push(command)
    if (expiresMs > 0) this.#link.send('pexpire', [list, expiresMs]).catch(() => undefined)
    return pushed
  }

  #settle(done: PromiseWithResolvers<void>, sent: Promise<unknown>): void {
    const written = this.#link.usable
    sent.then(
      () => {
        if (this.#blocked) {
          this.#blocked = false
          this.#onNotice({ kind: 'connection-unblocked' })
        }
        done.resolve()
      },
      (error: unknown) => {
        if (isOutOfMemory(error) && !this.#blocked) {
          this.#blocked = true
          this.#onNotice({ kind: 'connection-blocked', reason: (error as Error).message })
        }
        done.reject(this.#failure(error, written))
      },
    )
  }

  #encode(message: OutgoingMessage): string {
    const { exchange, routingKey } = message
    return this.#envelopes.encode(message, { exchange, routingKey, deliveryTag: this.#newTag() })
  }

  #newTag(): string {
    return this.#tagPrefix + (firstTag + this.#tags++).toString(16)
  }

  /** An error reply means that the message was not taken; a connection that ended under it leaves that open. */
  #failure(error: unknown, written: boolean): CeleryError {
    const replied = error instanceof Error && error.name === 'ReplyError'
    if (isCeleryError(error) && (!written || error.code === 'CT_CLOSED')) return error
    const failure = toFailure(error, this.#link.family, this.#link.where, 'publish')
    if (!written && !replied) return failure
    const maybeDelivered = !replied
    return new PublishError(
      maybeDelivered ? `${failure.message}; the message may or may not have been taken` : failure.message,
      { cause: failure, retryable: failure.retryable, maybeDelivered },
    )
  }
}

/** Stops waiting; what was written stays written. */
function giveUp<T>(done: Promise<T>, signal: AbortSignal): Promise<T> {
  return new Promise((resolve, reject) => {
    const abort = (): void => reject(aborted(signal, 'Publishing (the message may have been taken)'))
    signal.addEventListener('abort', abort, { once: true })
    done.then(resolve, reject).finally(() => signal.removeEventListener('abort', abort))
  })
}
