/**
 * Puts back what consumers held when they died: looks every ten seconds or so for entries of `unacked` that are older than the visibility
 * timeout, its own and those of Python peers alike. With nothing overdue that costs one command; with something, kombu's lock
 * lets one process of the fleet do it.
 */
import type { Buffer } from 'node:buffer'
import { randomUUID } from 'node:crypto'
import { decodeEnvelope, sliceJsonArray } from '@ct/contracts'
import { toFailure } from '../connection/failure.ts'
import type { Argument, Link } from '../connection/link.ts'
import { findOverdue } from '../scripts/find-overdue.ts'
import { restoreOverdue } from '../scripts/restore-overdue.ts'
import type { Bindings } from './bindings.ts'
import type { BrokerContext } from './context.ts'
import { markRedelivered } from './envelope-text.ts'

/**
 * A look takes milliseconds, and each message is put back atomically: the lock only spares work. Celery's, of five minutes, would keep the
 * whole fleet from restoring anything when a worker dies under it.
 */
const longestLockMs = 10_000

/** How long an entry that no binding wants is left alone before it is looked at again. */
const unroutableMs = 60_000

interface Destination {
  readonly lists: readonly string[]
  readonly text: string
}

export class Restorer {
  readonly #context: BrokerContext
  readonly #link: Link
  readonly #bindings: Bindings
  readonly #token = randomUUID()
  #timer: NodeJS.Timeout | undefined
  #running: Promise<void> | undefined
  #stopped = false
  #warned = false

  constructor(context: BrokerContext, link: Link, bindings: Bindings) {
    this.#context = context
    this.#link = link
    this.#bindings = bindings
  }

  /** Looks at once, and then again and again. */
  start(): void {
    if (this.#running !== undefined || this.#stopped || this.#timer !== undefined) return
    this.#turn()
  }

  #turn(): void {
    this.#timer = undefined
    this.#running = this.sweep()
      .catch((error: unknown) => {
        // The link tells of its own loss; anything else would come again, and is worth one line.
        if (!this.#link.usable || this.#warned) return
        this.#warned = true
        const failure = toFailure(error, this.#link.family, this.#link.where, 'restore overdue messages')
        this.#context.notice({ kind: 'warning', message: failure.message })
      })
      .finally(() => {
        this.#running = undefined
        if (this.#stopped) return
        // Spread, so that a fleet started together does not look together for ever.
        this.#timer = setTimeout(
          () => this.#turn(),
          this.#context.settings.restoreIntervalMs * (0.75 + Math.random() / 2),
        )
      })
  }

  async stop(): Promise<void> {
    this.#stopped = true
    clearTimeout(this.#timer)
    await this.#running
  }

  /** One look; resolves when nothing overdue is left that we may restore. */
  async sweep(): Promise<void> {
    const { keys, settings } = this.#context
    const locked = [keys.unackedIndex, keys.unacked, keys.unackedMutex]
    const ask = [
      settings.visibilityTimeoutMs,
      settings.restoreLimit,
      this.#token,
      Math.min(settings.unackedMutexExpireMs, longestLockMs),
    ]
    for (;;) {
      const found = (await this.#link.run(findOverdue, locked, ask)) as (Buffer | null)[] | null
      if (found === null) return
      const [cutoff, ...entries] = found
      const more = entries.length / 2 >= settings.restoreLimit && !this.#stopped
      const restored = await this.#restore(locked, String(cutoff), entries, !more)
      if (restored > 0) this.#context.notice({ kind: 'restored', count: restored })
      if (!more) return
    }
  }

  /** Puts these back at once, overdue or not: a step of ours whose reply was lost left them filed, and nobody knows them. */
  async restoreOrphans(tags: readonly string[]): Promise<void> {
    const { keys } = this.#context
    for (let at = 0; at < tags.length; at += 1000) {
      const some = tags.slice(at, at + 1000)
      const entries = (await this.#link.send('hmget', [keys.unacked, ...some])) as (Buffer | null)[]
      const known = some.flatMap((tag, index) =>
        entries[index] == null ? [] : [tag, entries[index] as Buffer],
      )
      if (known.length === 0) continue
      const locked = [keys.unackedIndex, keys.unacked, keys.unackedMutex]
      const restored = await this.#restore(locked, '+inf', known, false)
      if (restored > 0) this.#context.notice({ kind: 'restored', count: restored })
    }
  }

  async #restore(
    locked: readonly string[],
    cutoff: string,
    entries: readonly (Buffer | string | null)[],
    unlock: boolean,
  ): Promise<number> {
    const lists: string[] = []
    const args: Argument[] = [cutoff === '+inf' ? '1e300' : cutoff, this.#token, unlock ? '1' : '0']
    for (let i = 0; i < entries.length; i += 2) {
      const tag = String(entries[i])
      const destination = await this.#destination(entries[i + 1] ?? null)
      lists.push(...destination.lists)
      args.push(tag, destination.lists.length, destination.text)
    }
    return Number(await this.#link.run(restoreOverdue, [...locked, ...lists], args))
  }

  async #destination(entry: Buffer | string | null): Promise<Destination> {
    const { keys } = this.#context
    if (entry === null) return { lists: [], text: '' }
    const text = String(entry)
    let read: {
      readonly exchange: string
      readonly key: string
      readonly priority: number | undefined
      readonly marked: string
    }
    try {
      const [envelopeText = '', exchangeText = '""', keyText = '""'] = sliceJsonArray(text)
      read = {
        priority: decodeEnvelope(envelopeText).deliveryInfo.priority,
        exchange: String(JSON.parse(exchangeText) ?? ''),
        key: String(JSON.parse(keyText) ?? ''),
        marked: markRedelivered(envelopeText),
      }
    } catch (error) {
      // Nobody can read it, so nobody can work it; out of the way, where an operator finds it.
      this.#context.notice({
        kind: 'malformed',
        queue: keys.unacked,
        reason: `an entry of unacked cannot be read: ${(error as Error).message}`,
        excerpt: text.slice(0, 1024),
        parkedIn: keys.unreadable,
      })
      return { lists: [keys.unreadable], text }
    }
    const queues = await this.#queues(read.exchange, read.key)
    if (queues.length > 0)
      return { lists: queues.map((queue) => keys.list(queue, read.priority)), text: read.marked }
    this.#context.notice({
      kind: 'warning',
      message:
        'An overdue message stays in unacked, because no binding of its exchange says to which queue it belongs',
    })
    return {
      lists: [],
      text: ((Date.now() - this.#context.settings.visibilityTimeoutMs + unroutableMs) / 1000).toFixed(6),
    }
  }

  /** The bindings decide, not what types of exchanges this process happens to know (wire-brokers §4.5). */
  async #queues(exchange: string, routingKey: string): Promise<readonly string[]> {
    if (exchange === '') return routingKey === '' ? [] : [routingKey]
    const table = (await this.#bindings.tables([exchange])).get(exchange) ?? []
    return this.#bindings.route(table, routingKey)
  }
}
