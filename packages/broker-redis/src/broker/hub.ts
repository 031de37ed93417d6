/**
 * What all consumers of one connection share: a link for the scripts, and a subscribed link for fanout and for the wake-up calls.
 *
 * Waiting: the link for scripts has client tracking on, redirected to the subscribed one. An EXISTS on the lists of a consumer makes the
 * server remember them; whoever pushes to one of them, Python too, makes it send us one message. Nothing is popped, nothing polls. A
 * server that refuses tracking (before 6.0, some proxies and ACLs) is polled with EXISTS, at most once a second when idle.
 *
 * Only what we choose is remembered (OPTIN), for a command more at each wait. Otherwise it would be whatever the scripts read, and before Redis 7.2 all
 * keys of a script at each read in it: 100 parts of chords in one step then took 60 ms.
 */
import type { Buffer } from 'node:buffer'
import type { Notice } from '@ct/contracts'
import type { Endpoint } from '../connection/endpoint.ts'
import type { Link } from '../connection/link.ts'
import { Subscriber } from '../connection/subscriber.ts'

export interface Waiter {
  /** These of our lists changed, or (null) any may have. */
  changed(lists: readonly string[] | null): void
  /** Makes sure that nothing was missed. */
  recheck(): void
  /** Listens to the channels it attends, on which nothing is ever said. */
  here(): void
  readonly lists: ReadonlySet<string>
}

export interface HubOptions {
  readonly endpoint: Endpoint
  readonly recheckMs: number
  readonly signal?: AbortSignal | undefined
  readonly onLost: (error: Error) => void
  readonly onNotice: (notice: Notice) => void
}

export class Hub {
  readonly link: Link
  readonly subscriber: Subscriber
  readonly tracking: boolean
  readonly #waiters = new Set<Waiter>()
  readonly #recheck: NodeJS.Timeout | undefined

  private constructor(link: Link, subscriber: Subscriber, tracking: boolean, recheckMs: number) {
    this.link = link
    this.subscriber = subscriber
    this.tracking = tracking
    // Doubles as the keep-alive of the link: a push that was never told of costs one interval, not for ever.
    if (tracking && recheckMs > 0) {
      this.#recheck = setInterval(() => {
        for (const waiter of this.#waiters) waiter.recheck()
      }, recheckMs)
    }
  }

  static async open(options: HubOptions): Promise<Hub> {
    const { endpoint, signal, onLost, onNotice } = options
    const opened = await Promise.allSettled([
      endpoint.open('take', onLost, signal),
      endpoint.open('listen', onLost, signal),
    ])
    const links = opened.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    const [link, listening] = links
    try {
      if (link === undefined || listening === undefined || links.length < 2) {
        throw (opened.find((one) => one.status === 'rejected') as PromiseRejectedResult).reason
      }
      const subscriber = new Subscriber(listening)
      const tracking = await startTracking(link, subscriber, onNotice)
      const hub = new Hub(link, subscriber, tracking, options.recheckMs)
      if (tracking) {
        await subscriber.onInvalidation((keys) => {
          for (const waiter of hub.#waiters) {
            const lists = keys === null ? null : keys.filter((key) => waiter.lists.has(key))
            if (lists === null || lists.length > 0) waiter.changed(lists)
          }
        })
      }
      return hub
    } catch (error) {
      await Promise.all(links.map((one) => one.close()))
      throw error
    }
  }

  add(waiter: Waiter): void {
    this.#waiters.add(waiter)
  }

  remove(waiter: Waiter): void {
    this.#waiters.delete(waiter)
  }

  /** From now on others count this waiter among those who attend these channels; see {@link arm}. */
  attend(waiter: Waiter, channels: readonly string[]): void {
    // Where the server forbids it nobody counts us, which costs the others no more than a look in vain.
    if (this.tracking && channels.length > 0)
      this.subscriber.subscribe(channels, waiter.here).catch(() => undefined)
  }

  leave(waiter: Waiter, channels: readonly string[]): void {
    if (this.tracking) this.subscriber.unsubscribe(channels, waiter.here)
  }

  /**
   * Looks whether any of the lists has something and, with tracking, has us called when one changes from now on. With `channels` it asks
   * how many attend them, too: so many may be called with us.
   */
  async arm(
    lists: readonly string[],
    channels?: readonly string[],
  ): Promise<{ readonly found: number; readonly peers: number | undefined }> {
    if (!this.tracking) return { found: Number(await this.link.send('exists', [...lists])), peers: 1 }
    const [, found, numsub] = await this.link.all([
      ['client', 'CACHING', 'YES'],
      ['exists', ...lists],
      ...(channels === undefined ? [] : [['pubsub', 'NUMSUB', ...channels] as const]),
    ])
    const counts = (numsub as (Buffer | number)[] | undefined)?.filter((one) => typeof one === 'number')
    return { found: Number(found), peers: counts === undefined ? undefined : Math.max(1, ...counts) }
  }

  async close(): Promise<void> {
    clearInterval(this.#recheck)
    this.#waiters.clear()
    await Promise.all([this.link.close(), this.subscriber.link.close()])
  }
}

async function startTracking(
  link: Link,
  subscriber: Subscriber,
  onNotice: (notice: Notice) => void,
): Promise<boolean> {
  try {
    const id = await subscriber.link.send('client', ['ID'])
    // Without NOLOOP: with it, our own pop would silently take the key out of the table, and the next push would go unheard.
    await link.send('client', ['TRACKING', 'ON', 'REDIRECT', String(id), 'OPTIN'])
    return true
  } catch (error) {
    if (!link.usable || !subscriber.link.usable) throw error
    onNotice({
      kind: 'warning',
      message: `Redis at ${link.where} refuses client tracking (${(error as Error).message}); queues are polled once a second while idle. It needs Redis 6 or later, no proxy in between, and the ACL category @connection.`,
    })
    return false
  }
}
