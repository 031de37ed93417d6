/** Parked messages over a store that can put, take and settle: `<queue>.parked` is an ordinary queue of it. */
import type { CallOptions } from '../broker.ts'
import { isCeleryError } from '../errors.ts'
import type { DeliveryInfo, HeaderTable, MessageContent } from '../message.ts'
import {
  parkedHeader,
  parkedSuffix,
  type ParkedHistory,
  type ParkedMessage,
  type ParkedMessages,
} from '../parking.ts'
import { decodeEnvelope, encodeEnvelope } from '../protocol/index.ts'
import type { TakenMessage, VirtualStore } from './virtual-store.ts'

/** Content type under which something that was no envelope is parked: its bytes are the body. */
export const rawContentType = 'application/x-ct-raw'

/** The envelope to put into `<queue>.parked`. */
export function parkedEnvelope(
  message: MessageContent & { readonly info: DeliveryInfo },
  tag: string,
  history: ParkedHistory,
): string {
  const { body, contentType, contentEncoding, properties, info } = message
  const headers = { ...message.headers, [parkedHeader]: history }
  return encodeEnvelope(
    { body, contentType, contentEncoding, headers, properties },
    { ...info, deliveryTag: tag },
  )
}

/** Wraps what is not even an envelope. */
export function parkedRaw(payload: string, tag: string, history: ParkedHistory): string {
  return encodeEnvelope(
    {
      body: new TextEncoder().encode(payload),
      contentType: rawContentType,
      contentEncoding: 'binary',
      headers: { [parkedHeader]: history },
      properties: {},
    },
    { exchange: '', routingKey: history.queue, deliveryTag: tag },
  )
}

/** Reads what stands in a parked queue; tolerant, since an operator may have put anything there. */
export function readParked(payload: string, queue: string): ParkedMessage {
  try {
    const envelope = decodeEnvelope(payload)
    return {
      id: envelope.deliveryTag ?? payload,
      taskId: text(envelope.headers['id']),
      taskName: text(envelope.headers['task']),
      history: readHistory(envelope.headers[parkedHeader], queue),
      headers: envelope.headers,
      body: envelope.body,
      retryable: envelope.contentType !== rawContentType,
    }
  } catch (error) {
    if (!isCeleryError(error)) throw error
    return {
      id: payload,
      taskId: undefined,
      taskName: undefined,
      history: readHistory(undefined, queue),
      headers: {},
      body: new TextEncoder().encode(payload),
      retryable: false,
    }
  }
}

function readHistory(value: unknown, queue: string): ParkedHistory {
  const given = typeof value === 'object' && value !== null ? (value as HeaderTable) : {}
  const by = text(given['by'])
  return {
    reason: text(given['reason']) ?? 'malformed',
    starts: typeof given['starts'] === 'number' ? given['starts'] : 0,
    parkedAt: text(given['parkedAt']) ?? new Date(0).toISOString(),
    ...(by === undefined ? undefined : { by }),
    queue: text(given['queue']) ?? queue,
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** `ct parked` over a store. Where the store cannot browse, listing takes everything for a moment and releases it. */
export class ParkingLot<Handle> implements ParkedMessages {
  readonly #store: VirtualStore<Handle>
  readonly #guard: <T>(call: () => Promise<T>, options: CallOptions | undefined) => Promise<T>
  readonly #put: (put: { readonly queue: string; readonly payload: string }) => Promise<void>

  readonly #maxTake: number

  constructor(
    store: VirtualStore<Handle>,
    maxTake: number,
    guard: <T>(call: () => Promise<T>, options: CallOptions | undefined) => Promise<T>,
    put: (put: { readonly queue: string; readonly payload: string }) => Promise<void>,
  ) {
    this.#store = store
    this.#maxTake = maxTake
    this.#guard = guard
    this.#put = put
  }

  count(queues: readonly string[], options?: CallOptions): Promise<ReadonlyMap<string, number>> {
    return this.#guard(async () => {
      const counts = new Map<string, number>()
      for (const queue of queues) {
        const size = await this.#store.size(queue + parkedSuffix)
        if (size > 0) counts.set(queue, size)
      }
      return counts
    }, options)
  }

  list(
    queue: string,
    options: CallOptions & { readonly limit?: number; readonly offset?: number } = {},
  ): Promise<readonly ParkedMessage[]> {
    const { offset = 0, limit = 100 } = options
    return this.#guard(async () => {
      if (this.#store.browse !== undefined) {
        const payloads = await this.#store.browse(queue + parkedSuffix, { offset, limit })
        return payloads.map((payload) => readParked(payload, queue))
      }
      const found: ParkedMessage[] = []
      await this.#visit(queue, offset + limit, async (_, message) => {
        found.push(message)
        return false
      })
      return found.slice(offset)
    }, options)
  }

  retry(queue: string, ids: readonly string[], options?: CallOptions): Promise<number> {
    const wanted = new Set(ids)
    return this.#guard(
      () =>
        this.#visit(queue, Infinity, async (taken, message) => {
          if (!wanted.has(message.id) || !message.retryable) return false
          const envelope = decodeEnvelope(taken.payload)
          const headers = Object.fromEntries(
            Object.entries(envelope.headers).filter(
              ([name]) => name !== parkedHeader && name !== 'redelivered',
            ),
          )
          const payload = encodeEnvelope(
            { ...envelope, headers },
            { ...envelope.deliveryInfo, redelivered: false, deliveryTag: crypto.randomUUID() },
          )
          await this.#put({ queue: message.history.queue, payload })
          return true
        }),
      options,
    )
  }

  drop(queue: string, ids: readonly string[], options?: CallOptions): Promise<number> {
    const wanted = new Set(ids)
    return this.#guard(
      () => this.#visit(queue, Infinity, async (_, message) => wanted.has(message.id)),
      options,
    )
  }

  /** Takes the parked messages in order, removes those that `visit` is done with, and releases the rest as they were. */
  async #visit(
    queue: string,
    limit: number,
    visit: (taken: TakenMessage<Handle>, message: ParkedMessage) => Promise<boolean>,
  ): Promise<number> {
    const name = queue + parkedSuffix
    const kept: TakenMessage<Handle>[] = []
    let done = 0
    let visited = 0
    try {
      while (visited < limit) {
        const max = Math.min(100, this.#maxTake, limit - visited)
        const batch = await this.#store.take({
          queues: [name],
          max,
          waitMs: 0,
          signal: new AbortController().signal,
        })
        if (batch.length === 0) break
        for (const [index, taken] of batch.entries()) {
          visited++
          kept.push(taken)
          try {
            if (!(await visit(taken, readParked(taken.payload, queue)))) continue
          } catch (error) {
            kept.push(...batch.slice(index + 1))
            throw error
          }
          kept.pop()
          await this.#store.settle([{ action: 'ack', taken }])
          done++
        }
      }
    } finally {
      // Last one first, so that a store that releases to the front ends with the old order.
      await this.#store.settle(kept.toReversed().map((taken) => ({ action: 'release', taken })))
    }
    return done
  }
}
