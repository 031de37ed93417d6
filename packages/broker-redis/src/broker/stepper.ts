/**
 * The engine of a consumer: sends the steps (settle what is finished, take what is next, in one script).
 *
 * At most two steps are in flight: while Redis works on one, the settlements of the other gather. A step goes out at the end of the turn
 * of the event loop when none is in flight, and when it is worth it while one is.
 */
import type { Buffer } from 'node:buffer'
import { toFailure } from '../connection/failure.ts'
import type { EnvelopeReader } from '@ct/contracts'
import type { Argument, PackedArgument } from '../connection/link.ts'
import { replyOfHop, settleAndClaim, type StepReply } from '../scripts/settle-and-claim.ts'
import { decideWrites } from '../stored-success.ts'
import type { BrokerContext } from './context.ts'
import type { Hub } from './hub.ts'
import type { ListPush } from './list-push.ts'
import { SettlementBatch } from './settlement-batch.ts'
import type { Round, Source, Sources } from './sources.ts'
import { Waiting } from './waiting.ts'

/** Lua unpacks some 8,000 values at most, and one step must not keep Redis busy for long. */
const mostPerStep = 1000

export interface Taken {
  readonly round: Round
  /** Tag of the i-th filed item, from 1. */
  tag(index: number): string
  /** Queue index from 1, items, …; a number is a message that the step itself brought along. */
  readonly taken: readonly (number | readonly (Buffer | number)[])[]
  brought(number: number): ListPush
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
  /** A message goes along with the step under way, which files it for us. */
  readonly onAhead: (push: ListPush) => void
  readonly envelopes: EnvelopeReader
}

interface Step {
  readonly batch: SettlementBatch
  readonly wanted: number
  readonly base: number
  readonly round: Round | undefined
  /** Handed out. */
  ahead: readonly ListPush[]
}

/** Of the run that was handed out ahead. */
function leadsNowhere({ ahead }: ListPush): void {
  if (ahead?.delivery !== undefined) ahead.delivery.leads = false
}

export class Stepper {
  maxClaim: number
  readonly #options: StepperOptions
  readonly #hub: Hub
  readonly #sources: Sources
  readonly #waiting: Waiting
  #batch = new SettlementBatch()
  /** Batches that are full and wait for their turn. */
  readonly #full: SettlementBatch[] = []
  /** Batches that are under way. */
  readonly #open = new Set<SettlementBatch>()
  #inFlight = 0
  #claiming = 0
  /** The latest claim found too little, and another is under way: with a third, two would take turns at empty lists for ever. */
  #short = false
  #requested = 0
  #base = 0
  #scheduled = false
  #ended = false
  #problem = ''
  #quiet: (() => void)[] = []

  constructor(options: StepperOptions) {
    const { context, hub, sources } = options
    this.#options = options
    this.#hub = hub
    this.#sources = sources
    this.maxClaim = options.maxClaim
    this.#waiting = new Waiting({
      hub,
      sources,
      pollingIntervalMs: context.settings.pollingIntervalMs,
      go: () => this.#pump(),
      goAnd: (lists, arm) => this.#pumpAnd(lists, arm),
      onError: (error) => this.#lost(error, 'wait for messages'),
    })
  }

  /** The batch that goes out at the end of this turn; whoever adds to it calls {@link schedule}. */
  get batch(): SettlementBatch {
    if (this.#batch.isFull) {
      this.#full.push(this.#batch)
      this.#batch = new SettlementBatch()
    }
    return this.#batch
  }

  schedule(): void {
    if (this.#scheduled || this.#ended) return
    this.#scheduled = true
    // With nothing in flight the first settlements go at once; else let the whole turn gather.
    if (this.#inFlight === 0) process.nextTick(this.#pump)
    else setImmediate(this.#pump)
  }

  /** The queues changed: look at all of them anew. */
  sourcesChanged(): void {
    this.#waiting.reset()
    this.schedule()
  }

  /** Resolves when no message will be taken any more and none is on its way to us. */
  async stop(): Promise<void> {
    this.#waiting.stop()
    while (this.#claiming > 0 && !this.#ended) await new Promise<void>((resolve) => this.#quiet.push(resolve))
  }

  /** Resolves when every settlement made so far has reached the server. */
  async flush(): Promise<void> {
    const open = [...this.#open, ...this.#full]
    if (this.#batch.size > 0) open.push(this.#batch)
    await Promise.all(open.map((batch) => batch.promise))
  }

  /** The connection is gone: nothing that is under way can be known to have happened. */
  end(error: Error): void {
    if (this.#ended) return
    this.#ended = true
    this.#waiting.stop()
    for (const batch of [...this.#open, ...this.#full, this.#batch]) batch.reject(error)
    this.#open.clear()
    this.#release()
  }

  readonly #pump = (): void => {
    this.#scheduled = false
    if (this.#ended || this.#inFlight >= 2) return
    const room = this.#room()
    const settlements = this.#full.length > 0 ? mostPerStep : this.#batch.size
    if (settlements === 0 && room === 0) return
    if (this.#inFlight === 1) {
      const worthwhile = Math.max(1, this.#most() >> 1)
      if (settlements < worthwhile && room < worthwhile) return
    }
    this.#send(room)
  }

  /**
   * Idle and alone: whatever was told of is claimed, and nothing else looked at; the question whether that was all comes right behind, while
   * the server works on the claim.
   */
  #pumpAnd(lists: readonly string[] | null, arm: () => void): boolean {
    const room = this.#room()
    if (this.#ended || this.#inFlight > 0 || room === 0) return false
    this.#send(room, lists?.length === 1 ? this.#sources.only(lists[0]!) : undefined)
    arm()
    return true
  }

  /** The batch that goes out with the next step. */
  get #next(): SettlementBatch {
    return this.#full[0] ?? this.#batch
  }

  #room(): number {
    if (this.#short) return 0
    if (this.#sources.active.length === 0 || !(this.#waiting.busy || this.#waiting.fedBy(this.#next.lists)))
      return 0
    return Math.max(0, Math.min(this.#most(), this.#free))
  }

  /** Half of the credit at a time: the one half is worked off while the other is fetched. */
  #most(): number {
    return Math.max(1, Math.min(this.maxClaim, mostPerStep, Math.ceil(this.#options.credit() / 2)))
  }

  /** `only`: takes from no more than these lists. */
  #send(room: number, only?: Round): void {
    const batch = this.#full.shift() ?? this.#batch
    if (batch === this.#batch) this.#batch = new SettlementBatch()
    const ahead = room > 0 ? this.#aheadOf(batch, room) : []
    const wanted = ahead.length === 0 ? room : Math.min(room, this.#free - ahead.length)
    if (wanted > 0) this.#waiting.taking()
    const round = wanted > 0 ? (only ?? this.#sources.next()) : undefined
    const step: Step = { batch, wanted, base: this.#base, round, ahead }
    this.#base += room + ahead.length
    this.#requested += wanted
    this.#inFlight++
    if (wanted > 0) this.#claiming++
    if (batch.size > 0) this.#open.add(batch)
    // Nothing waited a moment ago: what this step brings along is probably what it takes.
    const expected = round !== undefined && !this.#waiting.busy ? this.#sources.filed : undefined
    const { keys, args } = this.#arguments(step, expected)
    const overtaken = ahead.length === 0 ? undefined : () => this.#overtaken(step)
    this.#hub.link.run(settleAndClaim, keys, args, overtaken).then(
      (reply) => this.#done(step, typeof reply === 'number' ? replyOfHop(reply) : (reply as StepReply)),
      (error: unknown) => this.#failed(step, error),
    )
    for (const push of ahead) this.#options.onAhead(push)
    if (expected !== undefined) batch.open(expected, this.#options.envelopes)
  }

  /**
   * What may be handed out now. Where nothing waited a moment ago, what follows would be taken in the same step; who waits for the answer waits as
   * long as a short task takes. At least one more is asked for, so that every step looks for what waits.
   */
  #aheadOf(batch: SettlementBatch, room: number): readonly ListPush[] {
    const most = this.#free - 1
    if (this.#inFlight > 0 || most < 1 || !this.#waiting.foundNothing) return []
    const { filed } = this.#sources
    const pushes = batch.mayGoAhead(filed, most)
    let at = this.#base + room
    for (const push of pushes) {
      const source = filed.get(push.list) as Source
      push.ahead = { source, tag: this.#options.tagPrefix + ++at, delivery: undefined }
    }
    return pushes
  }

  /**
   * The server did not know the script. What was sent behind this step, the settlement of what it handed out above all, may be done already: that
   * run leads to nothing, and the message is published.
   */
  #overtaken(step: Step): { keys: Argument[]; args: PackedArgument[] } {
    for (const push of step.ahead) {
      leadsNowhere(push)
      push.ahead = undefined
    }
    step.ahead = []
    return this.#arguments(step, undefined)
  }

  get #free(): number {
    return this.#options.room() - this.#requested
  }

  /** As the script's head comment lists them. */
  #arguments(
    { batch, wanted, base, round }: Step,
    expected: ReadonlyMap<string, Source> | undefined,
  ): { keys: Argument[]; args: PackedArgument[] } {
    const { context, tagPrefix } = this.#options
    const keys: Argument[] = [context.keys.unacked, context.keys.unackedIndex, context.keys.starts]
    const args: PackedArgument[] = [
      ...batch.counts,
      wanted,
      round?.sources.length ?? 0,
      round?.steps ?? 0,
      this.#sources.strict ? '1' : '0',
      tagPrefix,
      base,
    ]
    batch.write(keys, args, expected)
    if (round !== undefined) {
      for (const list of round.lists) keys.push(list)
      for (const one of round.about) args.push(one)
    }
    return { keys, args }
  }

  #done(step: Step, [undecided, malformed, problem, taken, recorded, unfiled]: StepReply): void {
    this.#over(step)
    if (this.#ended) return
    if (recorded.length > 0) step.batch.recorded(recorded)
    for (const number of unfiled) leadsNowhere(step.batch.pushed(number))
    this.#settled(step.batch, undecided)
    if (step.round !== undefined) {
      let got = malformed.length / 2
      for (let i = 1; i < taken.length; i += 2) got += (taken[i] as unknown[]).length
      if (got > 0 || step.ahead.length > unfiled.length) this.#waiting.fed()
      if (got > 0) {
        const { tagPrefix, onTaken } = this.#options
        onTaken({
          round: step.round,
          taken,
          malformed,
          tag: (index) => tagPrefix + (step.base + index),
          brought: (number) => step.batch.pushed(number),
        })
      }
      if (problem !== null) this.#complain(String(problem))
      this.#short = got < step.wanted && this.#claiming > 0
      if (got >= step.wanted) this.#waiting.plenty()
      else if (this.#claiming === 0) this.#waiting.hungry()
    }
    this.#pump()
  }

  #complain(problem: string): void {
    if (problem === this.#problem) return
    this.#problem = problem
    const message = `Redis cannot take messages from a queue: ${problem}`
    this.#options.context.notice({ kind: 'warning', message })
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
    if (undecided.length > 0) this.#decide(batch, undecided)
    else if (batch.size > 0) batch.resolve()
  }

  /** Rare: documents that the script cannot read. We look, and send these again with what we saw. */
  #decide(batch: SettlementBatch, undecided: readonly number[]): void {
    this.#open.add(batch)
    const again = undecided.flatMap((index) => batch.settlement(index) ?? [])
    const { link } = this.#hub
    const decided = again.map(async (one) => ({
      ...one,
      writes: await decideWrites(link, one.writes),
      // What was handed out is filed.
      pushes: one.pushes.filter(({ ahead }) => ahead === undefined),
    }))
    Promise.all(decided).then(
      (decided) => {
        if (this.#ended) return
        this.#open.delete(batch)
        const next = this.batch
        for (const one of decided) next.addFull(one)
        next.promise.then(batch.resolve, batch.reject)
        this.schedule()
      },
      (error: unknown) => this.#lost(error, 'read a stored result'),
    )
  }

  #failed(step: Step, error: unknown): void {
    const { context, tagPrefix } = this.#options
    // The script may have run: then these messages are ours, and nobody knows.
    const tags = Array.from({ length: step.wanted }, (_, i) => tagPrefix + (step.base + i + 1))
    if (tags.length > 0) context.orphaned(tags)
    const { family, where } = this.#hub.link
    step.batch.reject(toFailure(error, family, where, 'settle and take messages'))
    this.#over(step)
    // Out of memory, read only, …: neither acks nor claims work. Core comes back with a new connection when they may.
    this.#lost(error, 'settle and take messages')
  }

  #lost(error: unknown, what: string): void {
    const { family, where } = this.#hub.link
    if (!this.#ended) this.#options.context.lost(toFailure(error, family, where, what))
  }
}
