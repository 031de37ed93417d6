/**
 * The engine of a consumer: sends the steps (settle what is finished, take what is next, in one script) and waits when there is nothing.
 *
 *            lists changed, credit came            lists empty
 *   ┌──────► busy ──────────────────────► arming ─────────────► armed ─┐
 *   │        (takes while there is room)   │ found something           │ a list changed
 *   │          ▲        ▲                  ▼                           ▼
 *   │          │        └──────────────── busy                alone: busy, take and arm in one write
 *   │          └── its turn came ◄── waiting (0…n ms, n peers; then looks before it takes)
 *   └─ stop(): takes no more
 *
 * At most two steps are in flight: while Redis works on one, the settlements of the other gather. A step goes out at the end of the turn
 * of the event loop when none is in flight, and when it is worth it while one is.
 */
import type { Buffer } from 'node:buffer'
import { toFailure } from '../connection/failure.ts'
import type { Argument } from '../connection/link.ts'
import { settleAndClaim } from '../scripts/settle-and-claim.ts'
import type { BrokerContext } from './context.ts'
import type { Hub, Waiter } from './hub.ts'
import { SettlementBatch } from './settlement-batch.ts'
import type { Round, Sources } from './sources.ts'
import { decideWrites } from '../stored-success.ts'

/** Lua unpacks some 8,000 values at most, and one step must not keep Redis busy for long. */
const mostPerStep = 1000
const mostPeerMs = 25
const firstPollMs = 50

export interface Taken {
  readonly round: Round
  /** Tag of the i-th filed item, from 1. */
  tag(index: number): string
  /** Queue index from 1, items, … */
  readonly taken: readonly (number | readonly Buffer[])[]
  /** Queue index from 1, item, … */
  readonly malformed: readonly (number | Buffer)[]
}

export interface StepperOptions {
  readonly context: BrokerContext
  readonly hub: Hub
  readonly sources: Sources
  readonly tagPrefix: string
  readonly maxClaim: number
  readonly credit: () => number
  /** How many more deliveries may be handed over now. */
  readonly room: () => number
  readonly onTaken: (taken: Taken) => void
}

type Mode = 'busy' | 'arming' | 'armed' | 'waiting'

interface Step {
  readonly batch: SettlementBatch
  readonly wanted: number
  readonly base: number
  readonly round: Round | undefined
}

export class Stepper implements Waiter {
  maxClaim: number
  readonly #options: StepperOptions
  readonly #hub: Hub
  readonly #sources: Sources
  #mode: Mode = 'busy'
  #batch = new SettlementBatch()
  readonly #open = new Set<SettlementBatch>()
  #inFlight = 0
  #claiming = 0
  #requested = 0
  #base = 0
  #pumping = false
  #taking = true
  #ended = false
  /** Something changed while we were looking. */
  #stirred = false
  #generation = 0
  #peers = 1
  #pollMs = firstPollMs
  /** Times in a row that something was there and nothing could be taken. */
  #fruitless = 0
  #problem = ''
  #timer: NodeJS.Timeout | undefined
  #lists = new Set<string>()
  #quiet: (() => void)[] = []

  constructor(options: StepperOptions) {
    this.#options = options
    this.#hub = options.hub
    this.#sources = options.sources
    this.maxClaim = options.maxClaim
    this.#hub.add(this)
  }

  get lists(): ReadonlySet<string> {
    return this.#lists
  }

  /** The batch that goes out at the end of this turn; whoever adds to it calls {@link schedule}. */
  get batch(): SettlementBatch {
    return this.#batch
  }

  schedule(): void {
    if (this.#pumping || this.#ended) return
    this.#pumping = true
    // With nothing in flight the first settlements go at once; else let the whole turn gather.
    if (this.#inFlight === 0) process.nextTick(this.#pump)
    else setImmediate(this.#pump)
  }

  /** The queues changed: look at all of them anew. */
  sourcesChanged(): void {
    this.#lists = new Set(this.#sources.lists)
    this.#generation++
    clearTimeout(this.#timer)
    this.#mode = 'busy'
    this.schedule()
  }

  /** Resolves when no message will be taken any more and none is on its way to us. */
  async stop(): Promise<void> {
    this.#taking = false
    this.#hub.remove(this)
    clearTimeout(this.#timer)
    while (this.#claiming > 0 && !this.#ended) await new Promise<void>((resolve) => this.#quiet.push(resolve))
  }

  /** Resolves when every settlement made so far has reached the server. */
  async flush(): Promise<void> {
    const open = [...this.#open]
    if (this.#batch.size > 0) open.push(this.#batch)
    await Promise.all(open.map((batch) => batch.promise))
  }

  /** The connection is gone: nothing that is under way can be known to have happened. */
  end(error: Error): void {
    if (this.#ended) return
    this.#ended = true
    this.#hub.remove(this)
    clearTimeout(this.#timer)
    for (const batch of [...this.#open, this.#batch]) batch.reject(error)
    this.#open.clear()
    this.#release()
  }

  readonly #pump = (): void => {
    this.#pumping = false
    if (this.#ended || this.#inFlight >= 2) return
    const room = this.#room()
    const settlements = this.#batch.size
    if (settlements === 0 && room === 0) return
    if (this.#inFlight === 1) {
      const worthwhile = Math.max(1, this.#most() >> 1)
      if (settlements < worthwhile && room < worthwhile) return
    }
    this.#send(room)
  }

  #room(): number {
    if (this.#mode !== 'busy' || !this.#taking || this.#sources.active.length === 0) return 0
    return Math.max(0, Math.min(this.#most(), this.#options.room() - this.#requested))
  }

  /** Half of the credit at a time: the one half is worked off while the other is fetched. */
  #most(): number {
    return Math.max(1, Math.min(this.maxClaim, mostPerStep, Math.ceil(this.#options.credit() / 2)))
  }

  #send(wanted: number): void {
    const batch = this.#batch
    this.#batch = new SettlementBatch()
    const round = wanted > 0 ? this.#sources.next() : undefined
    const step: Step = { batch, wanted, base: this.#base, round }
    this.#base += wanted
    this.#requested += wanted
    this.#inFlight++
    if (wanted > 0) this.#claiming++
    if (batch.size > 0) this.#open.add(batch)
    const { keys, args } = this.#arguments(step)
    this.#hub.link.run(settleAndClaim, keys, args).then(
      (reply) => this.#done(step, reply as Reply),
      (error: unknown) => this.#failed(step, error),
    )
  }

  #arguments({ batch, wanted, base, round }: Step): { keys: Argument[]; args: Argument[] } {
    const { context, tagPrefix } = this.#options
    const keys: Argument[] = [context.keys.unacked, context.keys.unackedIndex, context.keys.starts]
    const args: Argument[] = [
      batch.withResults.length,
      batch.acks.length,
      batch.forget.length,
      batch.moves.length,
      wanted,
      round?.sources.length ?? 0,
      context.settings.prioritySteps.length,
      this.#sources.strict ? '1' : '0',
      tagPrefix,
      base,
    ]
    for (const { tag, writes } of batch.withResults) {
      args.push(tag, writes.length)
      for (const { key, ttl, guard, document } of writes) {
        keys.push(key)
        args.push(ttl, guard, document)
      }
    }
    for (const tag of batch.acks) args.push(tag)
    for (const id of batch.forget) args.push(id)
    for (const { tag, side, list, text, tailBytes } of batch.moves) {
      keys.push(list)
      args.push(tag, side, text, tailBytes)
    }
    if (round !== undefined) {
      for (const list of round.lists) keys.push(list)
      for (const one of round.about) args.push(one)
    }
    return { keys, args }
  }

  #done(step: Step, [undecided, malformed, problem, taken]: Reply): void {
    this.#over(step)
    if (this.#ended) return
    this.#settled(step.batch, undecided)
    let got = malformed.length / 2
    if (step.round !== undefined) {
      for (let i = 1; i < taken.length; i += 2) got += (taken[i] as Buffer[]).length
      const { tagPrefix, onTaken } = this.#options
      if (got > 0) onTaken({ round: step.round, taken, malformed, tag: (index) => tagPrefix + (step.base + index) })
      if (problem !== null) this.#complain(String(problem))
      if (got > 0) {
        this.#pollMs = firstPollMs
        this.#fruitless = 0
      }
      if (got < step.wanted && this.#claiming === 0 && this.#mode === 'busy' && this.#taking) this.#arm()
    }
    this.#pump()
  }

  #complain(problem: string): void {
    if (problem === this.#problem) return
    this.#problem = problem
    this.#options.context.notice({ kind: 'warning', message: `Redis cannot take messages from a queue: ${problem}` })
  }

  #over(step: Step): void {
    this.#inFlight--
    this.#requested -= step.wanted
    if (step.wanted > 0) this.#claiming--
    this.#open.delete(step.batch)
    if (this.#claiming === 0) this.#release()
  }

  #release(): void {
    const quiet = this.#quiet
    this.#quiet = []
    for (const resolve of quiet) resolve()
  }

  #settled(batch: SettlementBatch, undecided: readonly number[]): void {
    if (batch.size === 0) return
    if (undecided.length === 0) {
      batch.resolve()
      return
    }
    // Rare: documents that the script cannot read. We look, and send these again with what we saw.
    this.#open.add(batch)
    const again = undecided.flatMap((index) => batch.withResults[index - 1] ?? [])
    Promise.all(again.map(async ({ tag, writes }) => ({ tag, writes: await decideWrites(this.#hub.link, writes) }))).then(
      (decided) => {
        if (this.#ended) return
        this.#open.delete(batch)
        this.#batch.withResults.push(...decided)
        this.#batch.promise.then(batch.resolve, batch.reject)
        this.schedule()
      },
      (error: unknown) => batch.reject(toFailure(error, this.#hub.link.family, this.#hub.link.where, 'read a stored result')),
    )
  }

  #failed(step: Step, error: unknown): void {
    const { context, tagPrefix } = this.#options
    const failure = toFailure(error, this.#hub.link.family, this.#hub.link.where, 'settle and take messages')
    // The script may have run: then these messages are ours, and nobody knows.
    if (step.wanted > 0) context.orphaned(Array.from({ length: step.wanted }, (_, i) => tagPrefix + (step.base + i + 1)))
    step.batch.reject(failure)
    this.#over(step)
    // Out of memory, read only, …: neither acks nor claims work. Core comes back with a new connection when they may.
    context.lost(failure)
  }

  // Waiting

  changed(): void {
    if (this.#ended || !this.#taking) return
    if (this.#mode === 'arming') this.#stirred = true
    if (this.#mode !== 'armed') return
    if (this.#peers <= 1) {
      this.#mode = 'busy'
      const room = this.#room()
      if (room > 0 && this.#inFlight === 0) {
        this.#hub.link.together(() => {
          this.#send(room)
          this.#arm()
        })
      } else this.#pump()
      return
    }
    this.#mode = 'waiting'
    this.#timer = setTimeout(() => this.#arm(), Math.random() * Math.min(this.#peers, mostPeerMs))
  }

  recheck(): void {
    if (this.#mode === 'armed') this.#arm()
  }

  #arm(): void {
    if (this.#sources.active.length === 0) {
      this.#mode = 'armed'
      return
    }
    this.#mode = 'arming'
    this.#stirred = false
    const generation = this.#generation
    this.#hub.arm(this.#sources.lists).then(
      ({ found, peers }) => {
        if (this.#ended || generation !== this.#generation || !this.#taking) return
        this.#peers = peers
        if (found > 0) {
          this.#found()
          return
        }
        this.#fruitless = 0
        this.#mode = 'armed'
        if (this.#stirred) this.changed()
        else if (!this.#hub.tracking) this.#poll()
      },
      (error: unknown) => {
        if (!this.#ended) this.#options.context.lost(toFailure(error, this.#hub.link.family, this.#hub.link.where, 'wait for messages'))
      },
    )
  }

  /** Others may be quicker, or a list may not be readable at all: without success we look ever more rarely. */
  #found(): void {
    if (this.#fruitless++ < 3) {
      this.#mode = 'busy'
      this.#pump()
      return
    }
    this.#mode = 'waiting'
    this.#timer = setTimeout(() => {
      this.#mode = 'busy'
      this.#pump()
    }, Math.min(1000, 2 ** this.#fruitless))
  }

  #poll(): void {
    this.#timer = setTimeout(() => {
      if (this.#mode === 'armed') this.#arm()
    }, this.#pollMs)
    this.#pollMs = Math.min(this.#pollMs * 2, this.#options.context.settings.pollingIntervalMs)
  }
}

type Reply = [
  undecided: number[],
  malformed: (number | Buffer)[],
  problem: Buffer | null,
  taken: (number | Buffer[])[],
]
