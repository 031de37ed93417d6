/**
 * How a consumer of the kit takes: which queues, how many at a time, how long it waits.
 *
 *   lane: ──► no queue ──changed──► wait in line for credit ──► take ──► hand over what came ──┐
 *          ▲─────────────────────────────────────────────────────────────────────────────────◄─┘
 *
 * A lane is one loop over `take`: one for all queues, or one per queue where the store asks each by itself. When queues or the credit
 * change, takes that wait in the store come back and start again. What comes for a queue that was cancelled or paused meanwhile, or
 * beyond a credit that was lowered meanwhile, is released unseen.
 */
import { isRefusal } from '../errors.ts'
import type { QueueDeclaration } from '../topology.ts'
import { Credit } from './credit.ts'
import type { ConsumerHost } from './virtual-consumer.ts'
import type { TakenMessage, TakeRequest } from './virtual-store.ts'
import { pause, WakeUp } from './wake-up.ts'

/** A queue that a consumer reads. */
export interface Reader {
  readonly queue: QueueDeclaration
  readonly noAck: boolean
  paused: boolean
}

export class Intake<Handle> {
  readonly credit: Credit
  readonly #host: ConsumerHost<Handle>
  /** Hands over one message; held from then on unless the reader needs no acks. */
  readonly #deliver: (taken: TakenMessage<Handle>, forgotten: boolean) => Promise<void>
  readonly #readers = new Map<string, Reader>()
  readonly #lanes = new Map<string, Promise<void>>()
  readonly #changed = new WakeUp()
  #interrupt = new AbortController()
  #maxClaim: number
  #stopping = false
  /** Counts changes of what is wanted: a grant of credit arrives a moment after it was made. */
  #generation = 0
  /** A take under way leaves out queues for want of credit. */
  #partial = false

  constructor(
    host: ConsumerHost<Handle>,
    credit: number,
    maxClaim: number | undefined,
    deliver: (taken: TakenMessage<Handle>, forgotten: boolean) => Promise<void>,
  ) {
    this.#host = host
    this.credit = new Credit(credit)
    this.#maxClaim = maxClaim ?? Infinity
    this.#deliver = deliver
  }

  get readers(): readonly Reader[] {
    return [...this.#readers.values()]
  }

  has(queue: string): boolean {
    return this.#readers.has(queue)
  }

  add(readers: readonly Reader[]): void {
    const started = new Set<string>()
    let joined = false
    for (const reader of readers) {
      const { name } = reader.queue
      const lane = this.#host.takeFrom === 'one-queue' ? name : ''
      this.#readers.set(name, reader)
      if (this.#lanes.has(lane)) joined = true
      else started.add(lane)
    }
    // First: a lane that starts now knows everything.
    if (joined) this.retake()
    if (this.#stopping) return
    // Once all are there: each takes its share only.
    for (const lane of started)
      this.#lanes.set(
        lane,
        Promise.resolve().then(() => this.#run(lane)),
      )
  }

  /** Returns the readers that there were. */
  remove(queues: readonly string[]): readonly Reader[] {
    const gone = queues.map((name) => this.#readers.get(name)).filter((reader) => reader !== undefined)
    for (const { queue } of gone) this.#readers.delete(queue.name)
    this.retake()
    return gone
  }

  setPaused(queues: readonly string[], paused: boolean): void {
    for (const name of queues) {
      const reader = this.#readers.get(name)
      if (reader !== undefined) reader.paused = paused
    }
    this.retake()
  }

  setCredit(limit: number): void {
    const lower = limit < this.credit.limit
    this.credit.setLimit(limit)
    if (lower) this.retake()
    else this.creditFreed()
  }

  setMaxClaim(maxClaim: number): void {
    this.#maxClaim = maxClaim
  }

  /** Queues that were left out may be taken from again. */
  creditFreed(): void {
    if (this.#partial) this.retake()
  }

  /** Ends the lanes, without waiting for them. */
  end(): void {
    this.#stopping = true
    this.retake()
  }

  async stop(): Promise<void> {
    this.end()
    await Promise.all(this.#lanes.values())
  }

  /** Takes that wait come back and start again with what is wanted now. */
  retake(): void {
    this.#generation++
    this.#interruptTakes()
    this.credit.dismiss()
    this.#changed.now()
  }

  #interruptTakes(): void {
    this.#interrupt.abort()
    this.#interrupt = new AbortController()
  }

  async #run(lane: string): Promise<void> {
    while (!this.#stopping) {
      const changed = this.#changed.next
      const wanted = this.#wanted(lane)
      if (wanted.length === 0) {
        if (lane !== '' && !this.#readers.has(lane)) break
        await changed
        continue
      }
      await this.#takeOnce(wanted)
    }
    this.#lanes.delete(lane)
  }

  /** Readers this lane takes for, the one served last at the end. */
  #wanted(lane: string): readonly Reader[] {
    const all =
      lane === '' ? this.readers : [this.#readers.get(lane)].filter((reader) => reader !== undefined)
    return all.filter((reader) => !reader.paused)
  }

  async #takeOnce(wanted: readonly Reader[]): Promise<void> {
    const most = Math.min(this.#maxClaim, this.#host.maxTake)
    const free = wanted.filter((reader) => reader.noAck)
    // Queues that need no credit do not wait for it; the others join as soon as there is some.
    const partial = free.length > 0 && (free.length === wanted.length || this.credit.free <= 0)
    let reserved = 0
    if (!partial) {
      const generation = this.#generation
      if (this.credit.free <= 0) this.#interruptIdleLanes()
      reserved = await this.credit.acquire(Math.min(most, this.#fairShare()))
      if (generation !== this.#generation) {
        this.credit.giveBack(reserved)
        return
      }
    }
    this.#partial = partial && free.length < wanted.length
    const queues = (partial ? free : wanted).map((reader) => reader.queue.name)
    const { signal } = this.#interrupt
    const waitMs = this.#host.capabilities.wakeUp === 'push' && this.credit.waiting === 0 ? Infinity : 0
    let empty = false
    try {
      const max = partial ? Math.min(most, 1_000) : reserved
      const taken = await this.#take({ queues, max, waitMs, signal })
      empty = taken.length === 0
      await this.#handOver(taken)
    } catch (error) {
      // What is taken and cannot be handed over or given back is given back by the end of the connection.
      if (!this.#stopping) this.#host.lose(error as Error)
    } finally {
      this.#partial = false
      // Before the reservation goes to the next in line: who found nothing while others wait does not come back at once.
      const hurried = waitMs === 0 || this.credit.waiting > 0
      this.credit.giveBack(reserved)
      if (empty && hurried && !this.#stopping) await pause(this.#host.pollIntervalMs, this.#interrupt.signal)
    }
  }

  /** See V10: only an error that the store made itself tells that these queues are refused; whatever else happens, the line is broken. */
  async #take(request: TakeRequest): Promise<readonly TakenMessage<Handle>[]> {
    let thrown: unknown
    try {
      return await this.#host.guard(async () => {
        try {
          return await this.#host.store.take(request)
        } catch (error) {
          thrown = error
          throw error
        }
      })
    } catch (error) {
      if (this.#stopping) return []
      if (!isRefusal(thrown) || this.#host.lost !== undefined) throw error
      this.#cancelled(request.queues, thrown.message)
      return []
    }
  }

  /** The broker refuses these queues; core declares and subscribes again. */
  #cancelled(queues: readonly string[], reason: string): void {
    for (const queue of queues) {
      this.#readers.delete(queue)
      this.#host.notice({ kind: 'consumer-cancelled', queue, reason })
    }
  }

  /** No lane may reserve so much that another is left with nothing. */
  #fairShare(): number {
    return this.#lanes.size > 1 ? Math.ceil(this.credit.limit / this.#lanes.size) : Infinity
  }

  /** Others may sit on credit that they do not use, waiting in the store for a first message. */
  #interruptIdleLanes(): void {
    if (this.#lanes.size > 1) this.#interruptTakes()
  }

  async #handOver(batch: readonly TakenMessage<Handle>[]): Promise<void> {
    if (batch.length === 0) return
    const forgotten = await this.#forget(batch)
    const unwanted: TakenMessage<Handle>[] = []
    // What was reserved for these is theirs; only a limit that was lowered meanwhile can leave too little.
    let room = this.credit.free + batch.length
    for (const taken of batch) {
      const reader = this.#readers.get(taken.queue)
      const noAck = forgotten.get(taken)
      // Somebody else has it, or it will come again: handing it over now would be once too often.
      if (noAck === 'lost') continue
      const given =
        noAck === undefined && reader !== undefined && !reader.paused && !this.#stopping && room > 0
      if (!given && noAck !== 'forgotten') {
        unwanted.push(taken)
        continue
      }
      if (noAck === undefined) room--
      if (reader !== undefined) this.#serveLater(reader)
      await this.#deliver(taken, noAck !== undefined)
    }
    if (unwanted.length === 0) return
    // Last one first: a store that releases to the front ends with the old order.
    const steps = unwanted.toReversed().map((taken) => ({ action: 'release' as const, taken }))
    for (const refused of await this.#host.settle(steps)) {
      if (refused !== undefined && refused.code !== 'CT_LEASE_LOST') throw refused
    }
  }

  /** What needs no acks is gone before it is delivered. */
  async #forget(
    batch: readonly TakenMessage<Handle>[],
  ): Promise<ReadonlyMap<TakenMessage<Handle>, 'forgotten' | 'refused' | 'lost'>> {
    const given = batch.filter((taken) => {
      const reader = this.#readers.get(taken.queue)
      return reader?.noAck === true && !reader.paused && !this.#stopping
    })
    const refused = await this.#host.settle(given.map((taken) => ({ action: 'ack' as const, taken })))
    return new Map(
      given.map((taken, index) => {
        const error = refused[index]
        if (error === undefined) return [taken, 'forgotten']
        return [taken, error.code === 'CT_LEASE_LOST' ? 'lost' : 'refused']
      }),
    )
  }

  /** Round robin: the queue that was served goes to the end. */
  #serveLater(reader: Reader): void {
    this.#readers.delete(reader.queue.name)
    this.#readers.set(reader.queue.name, reader)
  }
}
