/**
 * Workers agree on which of them acts (celery/worker/consumer/gossip.py 5.7; worker-behaviour §8.3). Best effort, as in Celery: who
 * decides from another set of votes may decide otherwise.
 *
 *   unknown ──command `election`──► open: our vote is out ──enough acks──► decided
 *      │                                   ▲
 *      └── votes of others are kept ───────┘
 *
 * A vote is a clock value; the lowest wins, at equal clocks the lower `<hostname>.<pid>`. Each vote is acknowledged by every worker; a
 * worker decides when it has as many acks as there are other workers alive. What is never decided is forgotten, oldest first.
 *
 * ct's acks wait until every worker it knows has voted, or for half a second: a Python worker that decides when it has seen one vote
 * alone dies of it (kombu/clocks.py 5.7, `sort_heap`). Its own ack for its own vote cannot be held back, so that a Python worker with
 * exactly one other worker beside it may still die, whatever that other one is.
 */
import type { Logger } from '@ct/client'

interface Vote {
  readonly clock: number
  /** `<hostname>.<pid>`. */
  readonly voter: string
  readonly topic: string
  readonly action: unknown
}

export interface ElectionsOptions {
  /** `<hostname>.<pid>` of this worker. */
  readonly self: string
  readonly send: (
    type: 'worker-elect' | 'worker-elect-ack',
    fields: Readonly<Record<string, unknown>>,
  ) => void
  /** Other workers that are alive. */
  readonly others: () => number
  /** By topic: what the winner does. */
  readonly handlers: ReadonlyMap<string, (action: unknown) => unknown>
  readonly logger: () => Pick<Logger, 'info' | 'error'>
}

/** Elections that nobody decides (their ids may come from anywhere) must not pile up. */
const most = 1000
const longestWaitMs = 500

export class Elections {
  readonly #options: ElectionsOptions
  readonly #votes = new Map<string, Vote[]>()
  readonly #acks = new Map<string, number>()
  /** Acks that wait for the other votes. */
  readonly #owed = new Map<string, number>()
  readonly #timers = new Set<NodeJS.Timeout>()

  constructor(options: ElectionsOptions) {
    this.#options = options
  }

  /** The command `election`: this worker stands for it. */
  stand(id: string, topic: string, action: unknown): void {
    this.#acks.set(id, 0)
    forgetOldest(this.#acks)
    this.#options.send('worker-elect', { id, topic, action: action ?? null, cver: 1 })
  }

  /** `worker-elect` of anybody, this worker included. */
  onVote(event: Readonly<Record<string, unknown>>): void {
    const { id, clock, hostname, pid, topic, action } = event
    if (typeof id !== 'string' || typeof hostname !== 'string' || typeof topic !== 'string') return
    if (typeof clock !== 'number') return
    const votes = this.#votes.get(id) ?? []
    if (votes.length === 0) this.#votes.set(id, votes)
    votes.push({ clock, voter: `${hostname}.${String(pid)}`, topic, action })
    forgetOldest(this.#votes)
    this.#owe(id)
    if (votes.length > this.#options.others()) this.#acknowledge(id)
  }

  close(): void {
    for (const timer of this.#timers) clearTimeout(timer)
    this.#timers.clear()
  }

  #owe(id: string): void {
    const owed = this.#owed.get(id)
    this.#owed.set(id, (owed ?? 0) + 1)
    if (owed !== undefined) return
    if (this.#timers.size >= most) {
      this.#acknowledge(id)
      return
    }
    const timer = setTimeout(() => {
      this.#timers.delete(timer)
      this.#acknowledge(id)
    }, longestWaitMs)
    timer.unref()
    this.#timers.add(timer)
  }

  #acknowledge(id: string): void {
    const owed = this.#owed.get(id) ?? 0
    this.#owed.delete(id)
    for (let count = 0; count < owed; count++) this.#options.send('worker-elect-ack', { id })
  }

  /** `worker-elect-ack` of anybody, this worker included. */
  onAck(event: Readonly<Record<string, unknown>>): void {
    const { id } = event
    if (typeof id !== 'string') return
    const acks = this.#acks.get(id)
    if (acks === undefined) return
    this.#acks.set(id, acks + 1)
    const votes = this.#votes.get(id)
    // An ack that overtook its vote decides nothing.
    if (votes === undefined || acks + 1 < this.#options.others()) return
    this.#acks.delete(id)
    this.#votes.delete(id)
    this.#decide(id, votes.toSorted(byClock)[0]!)
  }

  #decide(id: string, { voter, topic, action }: Vote): void {
    const { self, handlers, logger } = this.#options
    if (voter !== self) {
      logger().info(`node ${voter} elected for ${id}`)
      return
    }
    logger().info(`I won the election ${id}`)
    const handler = handlers.get(topic)
    if (handler === undefined) {
      logger().error(`Nobody here knows what to do for the election topic ${topic}.`)
      return
    }
    void (async () => await handler(action))().catch((error: unknown) => {
      logger().error(`What the election ${id} was about failed.`, { error })
    })
  }
}

function byClock(a: Vote, b: Vote): number {
  return a.clock - b.clock || (a.voter < b.voter ? -1 : a.voter > b.voter ? 1 : 0)
}

function forgetOldest(map: Map<string, unknown>): void {
  if (map.size <= most) return
  const [oldest] = map.keys()
  map.delete(oldest!)
}
