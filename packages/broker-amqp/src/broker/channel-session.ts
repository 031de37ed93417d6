import type { Channel } from 'amqplib'
import { BrokerUnavailableError, type CeleryError } from '@ct/contracts'
import { FrameWriter } from '../connection/frame-writer.ts'
import { rawChannel, type RawChannel } from '../connection/raw-channel.ts'

type Verdict = 'ack' | 'reject' | 'requeue'

let sessions = 0

/**
 * One channel with what was delivered over it. Settlements of one turn of the event loop go out together; acknowledgements of all that is
 * older become one frame (`multiple`), which is safe exactly where nothing older is still open.
 */
export class ChannelSession {
  readonly channel: Channel
  readonly #number: number = ++sessions
  /** Delivery tags that are open, ascending: RabbitMQ counts them up. */
  readonly #open = new Set<number>()
  readonly #raw: RawChannel | undefined
  readonly #writer = new FrameWriter()
  #batch = new Map<number, Verdict>()
  #written: PromiseWithResolvers<void> | undefined
  #ended: CeleryError | undefined

  constructor(channel: Channel, onEnded: (error: unknown, open: readonly string[]) => void) {
    this.channel = channel
    this.#raw = rawChannel(channel)
    let cause: unknown
    channel.on('error', (error: Error) => (cause = error))
    channel.on('close', () => {
      const text = cause instanceof Error ? `: ${cause.message}` : ''
      this.#ended = new BrokerUnavailableError(
        `The channel that this message came over has ended${text}. RabbitMQ delivers the message again.`,
        { cause },
      )
      const open = [...this.#open].map((tag) => this.tagOf(tag))
      this.#fail()
      onEnded(cause, open)
    })
  }

  get ended(): boolean {
    return this.#ended !== undefined
  }

  /** RabbitMQ counts anew on each channel. */
  tagOf(tag: number): string {
    return `${this.#number}.${tag}`
  }

  add(tag: number): void {
    this.#open.add(tag)
  }

  /** Resolves when it is written; rejects when the channel ended first. */
  settle(tag: number, verdict: Verdict): Promise<void> {
    if (this.#ended !== undefined) return Promise.reject(this.#ended)
    this.#batch.set(tag, verdict)
    if (this.#written === undefined) {
      this.#written = Promise.withResolvers<void>()
      // A caller may ignore its copy of the promise.
      this.#written.promise.catch(() => undefined)
      setImmediate(() => this.flush())
    }
    return this.#written.promise
  }

  flush(): void {
    const batch = this.#batch
    const written = this.#written
    if (batch.size === 0 || written === undefined) return
    this.#batch = new Map()
    this.#written = undefined
    try {
      this.#write(batch)
      written.resolve()
    } catch (error) {
      written.reject(this.#ended ?? new BrokerUnavailableError('The channel has ended', { cause: error }))
    }
  }

  #write(batch: ReadonlyMap<number, Verdict>): void {
    let oldest = 0
    let count = 0
    for (const tag of this.#open) {
      if (batch.get(tag) !== 'ack') break
      oldest = tag
      count++
    }
    if (count > 1) this.#ack(oldest, true)
    for (const [tag, verdict] of batch) {
      this.#open.delete(tag)
      if (verdict === 'ack') {
        if (count < 2 || tag > oldest) this.#ack(tag, false)
        continue
      }
      this.#send()
      this.channel.nack(addressed(tag), false, verdict === 'requeue')
    }
    this.#send()
  }

  #ack(tag: number, multiple: boolean): void {
    if (this.#raw === undefined) this.channel.ack(addressed(tag), multiple)
    else this.#writer.ack(this.#raw.number, tag, multiple)
  }

  #send(): void {
    if (this.#writer.length > 0) this.#raw?.write(this.#writer.take())
  }

  /** Resolves when RabbitMQ has read everything written so far: it answers in order. */
  async roundTrip(prefetch: number): Promise<void> {
    this.flush()
    if (this.#ended !== undefined) throw this.#ended
    try {
      await this.channel.prefetch(prefetch)
    } catch (error) {
      throw this.#ended ?? error
    }
  }

  async close(): Promise<void> {
    this.flush()
    if (this.#ended !== undefined) return
    await this.channel.close().catch(() => undefined)
  }

  #fail(): void {
    this.#batch.clear()
    this.#open.clear()
    this.#written?.reject(this.#ended)
    this.#written = undefined
  }
}

/** All that amqplib looks at in a message that is acknowledged. */
function addressed(deliveryTag: number): Parameters<Channel['ack']>[0] {
  return { fields: { deliveryTag } } as Parameters<Channel['ack']>[0]
}
