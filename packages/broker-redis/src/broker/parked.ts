/** `<queue>.parked`: a plain list, newest at the left as in every queue here. */
import type { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import {
  decodeEnvelope,
  parkedHeader,
  type CallOptions,
  type ParkedHistory,
  type ParkedMessage,
  type ParkedMessages,
} from '@ct/contracts'
import { throwIfAborted, toFailure } from '../connection/failure.ts'
import type { Link } from '../connection/link.ts'
import type { Keys } from '../keys.ts'
import { moveParked } from '../scripts/move-parked.ts'
import { removeParkedHistory } from './envelope-text.ts'

const page = 200

export class ParkedLists implements ParkedMessages {
  readonly #link: Link
  readonly #keys: Keys

  constructor(link: Link, keys: Keys) {
    this.#link = link
    this.#keys = keys
  }

  async count(queues: readonly string[], options?: CallOptions): Promise<ReadonlyMap<string, number>> {
    const lengths = await this.#do(options, () =>
      this.#link.all(queues.map((queue) => ['llen', this.#keys.parked(queue)] as const)),
    )
    return new Map(
      queues
        .map((queue, index) => [queue, Number(lengths[index])] as const)
        .filter(([, length]) => length > 0),
    )
  }

  async list(
    queue: string,
    options?: CallOptions & { readonly limit?: number; readonly offset?: number },
  ): Promise<readonly ParkedMessage[]> {
    const offset = options?.offset ?? 0
    const limit = options?.limit ?? Infinity
    const messages: ParkedMessage[] = []
    for await (const item of this.#items(queue, offset, options)) {
      if (messages.length >= limit) break
      messages.push(describe(queue, item))
    }
    return messages
  }

  retry(queue: string, ids: readonly string[], options?: CallOptions): Promise<number> {
    return this.#move(queue, ids, options, true)
  }

  drop(queue: string, ids: readonly string[], options?: CallOptions): Promise<number> {
    return this.#move(queue, ids, options, false)
  }

  async #move(
    queue: string,
    ids: readonly string[],
    options: CallOptions | undefined,
    retry: boolean,
  ): Promise<number> {
    const wanted = new Set(ids)
    // Found first, moved afterwards: moving shifts the pages.
    const found: Buffer[] = []
    for await (const item of this.#items(queue, 0, options)) {
      if (wanted.delete(idOf(item))) found.push(item)
      if (wanted.size === 0) break
    }
    let moved = 0
    for (const item of found) {
      const back = retry ? backOf(item) : { text: '', messageId: '', priority: undefined }
      if (back === undefined) continue
      const lists = [this.#keys.parked(queue), this.#keys.list(queue, back.priority), this.#keys.starts]
      moved += Number(
        await this.#do(options, () => this.#link.run(moveParked, lists, [item, back.text, back.messageId])),
      )
    }
    return moved
  }

  /** Oldest first. */
  async *#items(queue: string, offset: number, options: CallOptions | undefined): AsyncGenerator<Buffer> {
    for (let at = offset; ; at += page) {
      const items = (await this.#do(options, () =>
        this.#link.send('lrange', [this.#keys.parked(queue), -(at + page), -(at + 1)]),
      )) as Buffer[]
      yield* items.reverse()
      if (items.length < page) return
    }
  }

  async #do<T>(options: CallOptions | undefined, what: () => Promise<T>): Promise<T> {
    throwIfAborted(options?.signal, 'Looking at parked messages')
    try {
      return await what()
    } catch (error) {
      throw toFailure(error, this.#link.family, this.#link.where, 'handle parked messages')
    }
  }
}

/** The same for the same bytes, wherever in the list they are. */
function idOf(item: Buffer): string {
  return createHash('sha1').update(item).digest('hex')
}

function backOf(item: Buffer): { text: string; messageId: string; priority: number | undefined } | undefined {
  try {
    const envelope = decodeEnvelope(item)
    return {
      text: removeParkedHistory(item.toString()),
      messageId: envelope.deliveryTag ?? '',
      priority: envelope.deliveryInfo.priority,
    }
  } catch {
    return undefined
  }
}

function describe(queue: string, item: Buffer): ParkedMessage {
  const id = idOf(item)
  try {
    const { headers, body, properties } = decodeEnvelope(item)
    const given = headers[parkedHeader]
    const history =
      typeof given === 'object' && given !== null ? (given as ParkedHistory) : unknownHistory(queue)
    const taskId = typeof headers['id'] === 'string' ? headers['id'] : properties.correlationId
    const taskName = typeof headers['task'] === 'string' ? headers['task'] : undefined
    return { id, taskId, taskName, history, headers, body, retryable: true }
  } catch {
    return {
      id,
      taskId: undefined,
      taskName: undefined,
      history: unknownHistory(queue),
      headers: {},
      body: item,
      retryable: false,
    }
  }
}

/** A raw item cannot carry its history. */
function unknownHistory(queue: string): ParkedHistory {
  return { reason: 'malformed', starts: 0, parkedAt: new Date(0).toISOString(), queue }
}
