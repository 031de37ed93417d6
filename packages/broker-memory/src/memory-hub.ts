/**
 * The "server": everything that memory brokers, backends and schedule stores of one name share within this process.
 *
 * It is synchronous throughout, so each method is one atomic step, which is all that settling with a result, firing with an election
 * and counting a chord ask for.
 */
import { ConfigurationError, systemTime, type TimeProvider } from '@ct/contracts'
import { LocalBindings, type StorePut } from '@ct/contracts/broker-kit'
import { MemoryChords } from './memory-chords.ts'
import { MemoryResults } from './memory-results.ts'
import { MemorySchedule } from './memory-schedule.ts'
import { MessageQueue, type MemoryMessage } from './message-queue.ts'

/** Why a connection holds a message, and until when. */
export interface Held {
  readonly message: MemoryMessage
  readonly queue: string
  /** Identity of the connection that took it. */
  readonly holder: object
  /** Epoch ms; undefined: until the connection ends. */
  expiresAt: number | undefined
}

export class MemoryHub {
  readonly name: string
  readonly bindings: LocalBindings = new LocalBindings()
  readonly results: MemoryResults
  readonly chords: MemoryChords
  readonly schedule: MemorySchedule
  readonly #queues = new Map<string, MessageQueue>()
  readonly #held = new Set<Held>()
  readonly #delayed = new Set<{
    readonly queue: string
    readonly message: MemoryMessage
    readonly notBefore: number
  }>()
  readonly #waiting = new Set<{ readonly queues: ReadonlySet<string>; readonly wake: () => void }>()
  readonly #connections = new Map<
    object,
    { readonly owner: object; readonly onLost: (error: Error) => void }
  >()
  readonly time: TimeProvider
  #disarm: (() => void) | undefined
  /** Epoch ms at which the timer fires. */
  #nextDue = Infinity

  constructor(name: string, time: TimeProvider = systemTime) {
    this.name = name
    this.time = time
    this.results = new MemoryResults(time.now)
    this.chords = new MemoryChords(time.now)
    this.schedule = new MemorySchedule(time.now)
  }

  /** `owner` is the broker or backend whose connection it is. */
  attach(connection: object, owner: object, onLost: (error: Error) => void): void {
    this.#connections.set(connection, { owner, onLost })
    this.#schedule()
  }

  /** The connection is over: what it holds without a lease comes back, first in its queue. */
  detach(connection: object): void {
    this.#connections.delete(connection)
    this.#restore((held) => held.holder === connection && held.expiresAt === undefined)
    this.#schedule()
  }

  /** For tests: the connections of `owner`, or all of them, are lost as when a line breaks. What is stored stays. */
  cut(owner?: object, reason: string = 'The memory hub was cut.'): void {
    for (const [connection, line] of [...this.#connections]) {
      if (owner !== undefined && line.owner !== owner) continue
      this.detach(connection)
      line.onLost(new Error(reason))
    }
  }

  declare(queue: string): MessageQueue {
    let found = this.#queues.get(queue)
    if (found === undefined) this.#queues.set(queue, (found = new MessageQueue()))
    return found
  }

  queue(queue: string): MessageQueue | undefined {
    return this.#queues.get(queue)
  }

  deleteQueue(queue: string): void {
    this.#queues.delete(queue)
    this.bindings.unbind(queue)
    for (const delayed of this.#delayed) if (delayed.queue === queue) this.#delayed.delete(delayed)
  }

  put({ queue, payload, priority, notBefore, expiresInMs }: StorePut): void {
    const now = this.time.now()
    const expiresAt = expiresInMs === undefined ? undefined : now + expiresInMs
    const message = { payload, priority, expiresAt, redelivered: false, receives: 0, starts: 0 }
    if (notBefore !== undefined && notBefore > now) {
      this.#delayed.add({ queue, message, notBefore })
      if (this.#disarm === undefined || notBefore < this.#nextDue) this.#schedule()
    } else {
      this.declare(queue).push(message)
      this.#wake(queue)
    }
  }

  take(queues: readonly string[], max: number, holder: object, leaseMs: number | undefined): Held[] {
    const now = this.time.now()
    const taken: Held[] = []
    for (const queue of queues) {
      const from = this.#queues.get(queue)
      while (taken.length < max) {
        const message = from?.shift(now)
        if (message === undefined) break
        message.receives++
        const held = { message, queue, holder, expiresAt: leaseMs === undefined ? undefined : now + leaseMs }
        this.#held.add(held)
        taken.push(held)
      }
    }
    return taken
  }

  /** Resolves when one of these queues got something, or the signal fires. */
  wait(queues: readonly string[], signal: AbortSignal): Promise<void> {
    return new Promise((resolve) => {
      if (signal.aborted) return resolve()
      const wake = (): void => {
        this.#waiting.delete(waiter)
        signal.removeEventListener('abort', wake)
        resolve()
      }
      const waiter = { queues: new Set(queues), wake }
      this.#waiting.add(waiter)
      signal.addEventListener('abort', wake)
    })
  }

  /** A lease that ran out still counts until somebody has put the message back. */
  isHeld(held: Held): boolean {
    return this.#held.has(held)
  }

  /** False: the message is not held any more, somebody else has it or it is ready again. */
  remove(held: Held): boolean {
    return this.#held.delete(held)
  }

  putBack(held: Held, where: 'front' | 'back', redelivered: boolean): boolean {
    if (!this.#held.delete(held)) return false
    held.message.redelivered ||= redelivered
    const queue = this.declare(held.queue)
    if (where === 'front') queue.unshift(held.message)
    else queue.push(held.message)
    this.#wake(held.queue)
    return true
  }

  restoreExpired(): number {
    const now = this.time.now()
    return this.#restore((held) => held.expiresAt !== undefined && held.expiresAt <= now)
  }

  #restore(which: (held: Held) => boolean): number {
    const back = [...this.#held].filter(which)
    for (const held of back.toReversed()) this.putBack(held, 'front', true)
    return back.length
  }

  #wake(queue: string): void {
    for (const waiter of [...this.#waiting]) if (waiter.queues.has(queue)) waiter.wake()
  }

  /** One timer for the next delayed message, and none while nobody is connected. */
  #schedule(): void {
    this.#disarm?.()
    this.#disarm = undefined
    if (this.#connections.size === 0 || this.#delayed.size === 0) return
    let next = Infinity
    for (const { notBefore } of this.#delayed) next = Math.min(next, notBefore)
    this.#nextDue = next
    const wait = Math.min(2 ** 31 - 1, Math.max(0, next - this.time.now()))
    this.#disarm = this.time.schedule(wait, () => this.#release())
  }

  #release(): void {
    const now = this.time.now()
    const due = [...this.#delayed].filter((delayed) => delayed.notBefore <= now)
    for (const delayed of due.toSorted((a, b) => a.notBefore - b.notBefore)) {
      this.#delayed.delete(delayed)
      this.declare(delayed.queue).push(delayed.message)
      this.#wake(delayed.queue)
    }
    this.#schedule()
  }
}

const hubs = new Map<string, MemoryHub>()

/** The hub of that name, made on first use. Names are process-wide, as a server's address is machine-wide. */
export function memoryHub(name: string, time?: TimeProvider): MemoryHub {
  let hub = hubs.get(name)
  if (hub === undefined) hubs.set(name, (hub = new MemoryHub(name, time)))
  else if (time !== undefined && time !== hub.time)
    throw new ConfigurationError(
      `The memory hub ${JSON.stringify(name)} exists and goes by another clock. Give a hub with a clock a name of its own.`,
    )
  return hub
}

const owners = new WeakMap<object, MemoryHub>()

/** Remembers on which hub a broker, backend or schedule store of this package was made. */
export function onHub<T extends object>(hub: MemoryHub, made: T): T {
  owners.set(made, hub)
  return made
}

/** The hub of something made here; undefined for anything else. */
export function hubOf(made: object): MemoryHub | undefined {
  return owners.get(made)
}
