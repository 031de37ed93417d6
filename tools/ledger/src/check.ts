/**
 * Judges a campaign by its journals: every unit of a confirmed order ended; what ran twice has a fault that explains it; what was handed
 * on is what the unit before returned; what was refused for certain never ran.
 *
 * What explains that a unit ran again, of two runs that follow each other:
 *
 *   - the process of one of them was killed, or was away for most of the lease (stopped, starved, cut off), or the broker was,
 *     between the time it may have taken the message and the later start;
 *   - its publisher was disturbed while it published: it does not know that the first try arrived, and tries again;
 *   - the unit before it ran twice for a reason, and published it twice;
 *   - the connection of one of them ended, where messages are held by it (RabbitMQ);
 *   - one of them was in Python, which does not renew leases and gives messages back when its connection breaks.
 *
 * A warm restart, a short stop, a swapped queue, with Redis a cut connection of the worker that runs it: none of them explains anything.
 */
import type { Fault, FaultKind } from './faults.ts'
import type { Entry, Step } from './journal.ts'
import { unitsOf, type Order, type Unit } from './orders.ts'

export interface Run {
  readonly unit: string
  readonly id: string
  readonly pid: number
  readonly lang: 'ct' | 'py'
  readonly start: number
  /** Undefined: it never came to its end. */
  end: number | undefined
  readonly got: unknown
}

export interface Verdict {
  readonly orders: { readonly sent: number; readonly confirmed: number; readonly refused: number }
  readonly units: {
    readonly due: number
    readonly ended: number
    readonly byLanguage: Readonly<Record<'ct' | 'py', number>>
  }
  /** Units that ran more than once, by what explains it. */
  readonly repeated: ReadonlyMap<string, number>
  readonly missing: readonly string[]
  /** Everything that must not be, one line each. */
  readonly violations: readonly string[]
  /** Id of the task, and what it must have returned. */
  readonly results: ReadonlyMap<string, string>
}

export interface CheckOptions {
  readonly entries: readonly Entry[]
  readonly faults: readonly Fault[]
  readonly leaseMs: number
  /** Messages are held by their connection, as on RabbitMQ: what ends it brings them back. */
  readonly heldByConnection?: boolean
  /** Missing units are reported, not held against anybody: Celery's own losses. */
  readonly tolerateLosses?: boolean
}

interface OrderState {
  readonly order: Order
  readonly pid: number
  readonly intent: number
  answer: number
  confirmed: boolean
  never: boolean
}

/** Longest time that a worker of the campaign holds a message before it starts it, beside an ETA. */
const heldMs = 2000
/** Journals and faults are stamped by different processes. */
const slackMs = 50

/** How long a fault keeps a process from renewing leases, as a multiple of how long it lasts: reconnecting backs off. */
const awayFactor: Readonly<Partial<Record<FaultKind, number>>> = {
  nap: 1,
  freeze: 1,
  hole: 2,
  mute: 3,
  'broker-freeze': 1,
  'broker-kill': 3,
  'broker-outage': 2,
}
/** Faults after which a publisher may not know whether its message arrived. */
const disturbing: ReadonlySet<FaultKind> = new Set([
  'cut',
  'mute',
  'hole',
  'client-kill',
  'producer-kill',
  'broker-kill',
  'broker-outage',
  'broker-freeze',
  'freeze',
  'kill',
])
/** Faults that end connections, and with them, where there is no lease, the hold on what came over them. */
const disconnecting: ReadonlySet<FaultKind> = new Set([
  'cut',
  'mute',
  'hole',
  'client-kill',
  'broker-kill',
  'broker-outage',
  'freeze',
])

export function check(options: CheckOptions): Verdict {
  const book = new Book(options)
  return book.verdict()
}

class Book {
  readonly #options: CheckOptions
  readonly #orders = new Map<string, OrderState>()
  readonly #runs = new Map<string, Run[]>()
  readonly #taken = new Map<string, number[]>()
  readonly #faults: readonly Fault[]
  readonly #violations: string[] = []
  readonly #repeated = new Map<string, number>()

  constructor(options: CheckOptions) {
    this.#options = options
    const stalls: Fault[] = []
    for (const entry of options.entries) {
      if (entry.e === 'stall')
        stalls.push({ kind: 'nap', target: 'starved', pid: entry.p, from: entry.from, to: entry.t })
      else this.#read(entry)
    }
    // A process that we stopped notices it too.
    const ours = options.faults.filter(({ kind }) => kind === 'freeze' || kind === 'nap')
    const starved = stalls.filter(
      (stall) => !ours.some((fault) => fault.pid === stall.pid && overlaps(fault, stall.from, stall.to)),
    )
    this.#faults = [...options.faults, ...starved]
  }

  #read(entry: Exclude<Entry, { e: 'stall' }>): void {
    switch (entry.e) {
      case 'intent':
        this.#orders.set(entry.order.key, {
          order: entry.order,
          pid: entry.p,
          intent: entry.t,
          answer: Infinity,
          confirmed: false,
          never: false,
        })
        return
      case 'confirm':
      case 'refuse': {
        const state = this.#orders.get(entry.k)
        if (state === undefined) return
        state.answer = entry.t
        state.confirmed = entry.e === 'confirm'
        state.never = entry.e === 'refuse' && !entry.maybe
        return
      }
      case 'taken':
        append(this.#taken, entry.id, entry.t)
        return
      default:
        this.#step(entry)
    }
  }

  #step(entry: Step): void {
    const unit = entry.r === 0 ? entry.k : `${entry.k}#${entry.r}`
    if (entry.e === 'start') {
      append(this.#runs, unit, {
        unit,
        id: entry.id,
        pid: entry.p,
        lang: entry.lang,
        start: entry.t,
        end: undefined,
        got: entry.v,
      })
      return
    }
    // A process may have the same message twice; the lines of one run come in order.
    const run = this.#runs.get(unit)?.find((one) => one.pid === entry.p && one.end === undefined)
    if (run !== undefined) run.end = entry.t
  }

  verdict(): Verdict {
    const missing: string[] = []
    const results = new Map<string, string>()
    const byLanguage = { ct: 0, py: 0 }
    let due = 0
    let ended = 0
    let confirmed = 0
    let refused = 0
    for (const state of this.#orders.values()) {
      if (state.confirmed) confirmed += 1
      else refused += 1
      const units = unitsOf(state.order)
      for (const unit of units) {
        const runs = this.#runs.get(unit.name) ?? []
        const ends = runs.filter(({ end }) => end !== undefined)
        if (state.confirmed) due += 1
        if (ends.length > 0) {
          ended += 1
          byLanguage[ends[0]!.lang] += 1
          if (unit.last) results.set(ends[0]!.id, unit.key)
        } else if (state.confirmed) missing.push(unit.name)
        if (state.never && runs.length > 0)
          this.#violations.push(`${unit.name} ran, although its producer was told that it was not delivered`)
        this.#checkHandedOn(state, unit, runs)
        if (runs.length > 1) this.#checkRepeated(state, unit, runs)
      }
    }
    if (this.#options.tolerateLosses !== true)
      for (const name of missing)
        this.#violations.push(`${name} was confirmed and never ended${this.#traces(name)}`)
    return {
      orders: { sent: this.#orders.size, confirmed, refused },
      units: { due, ended, byLanguage },
      repeated: this.#repeated,
      missing,
      violations: this.#violations,
      results,
    }
  }

  #traces(name: string): string {
    const runs = this.#runs.get(name) ?? []
    if (runs.length === 0) return '; it never started'
    return `; it started in ${runs.map(({ lang, pid, start }) => `${lang} ${pid} at ${start}`).join(', ')}`
  }

  #checkHandedOn({ order }: OrderState, unit: Unit, runs: readonly Run[]): void {
    if (order.kind !== 'chain' && !unit.name.endsWith('.body')) return
    const expected = order.kind === 'chain' ? (unit.after[0] ?? null) : unit.after
    for (const { got } of runs) {
      const same = JSON.stringify(got ?? null) === JSON.stringify(expected)
      if (!same)
        this.#violations.push(
          `${unit.name} got ${JSON.stringify(got)} instead of ${JSON.stringify(expected)}`,
        )
    }
  }

  #checkRepeated(state: OrderState, unit: Unit, runs: readonly Run[]): void {
    const inOrder = [...runs].sort((a, b) => a.start - b.start)
    for (let at = 1; at < inOrder.length; at += 1) {
      const [first, second] = [inOrder[at - 1]!, inOrder[at]!]
      const why = this.#reason(state, unit, first, second)
      if (why === undefined) {
        this.#violations.push(
          `${unit.name} ran again without a fault that explains it: ${describe(first)}, then ${describe(second)}`,
        )
      } else this.#repeated.set(why, (this.#repeated.get(why) ?? 0) + 1)
    }
  }

  #reason(state: OrderState, unit: Unit, first: Run, second: Run): string | undefined {
    const countdown = state.order.countdownMs ?? 0
    const since = Math.min(first.start, second.start) - heldMs - countdown
    for (const run of [first, second]) {
      for (const fault of this.#faults) {
        if (!overlaps(fault, since, second.start) || (fault.pid !== 0 && fault.pid !== run.pid)) continue
        if (fault.kind === 'kill' && fault.pid === run.pid) return 'worker killed'
        if (fault.kind === 'python-kill' || fault.kind === 'python-end')
          return 'Python worker killed or ended'
        if (run.lang === 'py' && fault.kind.startsWith('broker-')) return 'Python lost its connection'
        if (this.#options.heldByConnection === true && disconnecting.has(fault.kind))
          return 'worker lost its connection'
      }
      const away = this.#away(run, since, second.start)
      if (away !== undefined) return away
      if (run.lang === 'py' && this.#heldTooLong(run, second.start)) return 'Python does not renew leases'
    }
    return this.#publishedTwice(state, unit, first)
  }

  /** Whether the process of a run could not renew its leases for so long that they may have run out; they are renewed every third of their time. */
  #away(run: Run, since: number, until: number): string | undefined {
    const { leaseMs } = this.#options
    let sum = 0
    let longest: Fault | undefined
    for (const fault of this.#faults) {
      if (fault.pid !== 0 && fault.pid !== run.pid) continue
      const ms = (fault.to - fault.from) * (awayFactor[fault.kind] ?? 0)
      // A single long one counts from when the message may have been taken, several short ones just before it came again.
      const enough = ms > leaseMs * 0.6
      if (ms === 0 || !overlaps(fault, enough ? since : until - leaseMs - heldMs, until)) continue
      sum += ms
      if (longest === undefined || ms > longest.to - longest.from) longest = fault
    }
    if (longest === undefined || sum <= leaseMs * 0.6) return undefined
    if (longest.pid === 0) return 'broker away'
    return longest.target === 'starved' ? 'worker starved' : 'worker stopped or cut off past its lease'
  }

  #firstEnd(unit: string): number {
    const ends = (this.#runs.get(unit) ?? []).flatMap(({ end }) => (end === undefined ? [] : [end]))
    return Math.min(...ends)
  }

  #heldTooLong(run: Run, until: number): boolean {
    return (this.#taken.get(run.id) ?? []).some(
      (taken) => until - taken > this.#options.leaseMs - slackMs && taken <= until,
    )
  }

  /** Two messages, rather than one that came twice. */
  #publishedTwice(state: OrderState, unit: Unit, first: Run): string | undefined {
    if (unit.after.length === 0) {
      const disturbed = this.#faults.some(
        (fault) =>
          disturbing.has(fault.kind) &&
          (fault.pid === 0 || fault.pid === state.pid) &&
          overlaps(fault, state.intent, state.answer),
      )
      return disturbed ? 'published again by a disturbed producer' : undefined
    }
    const before = unit.after.flatMap((name) => this.#runs.get(name) ?? [])
    const chord = unit.name.endsWith('.body')
    // Parts of a chord count once, however often they run.
    if (!chord && before.length > 1) return 'the unit before ran again'
    // When all of them had ended for the first time: the last of these published it.
    const lastEnd = Math.max(...unit.after.map((name) => this.#firstEnd(name)))
    const publishers = new Set(
      before.flatMap(({ pid, end }) => (end !== undefined && end >= lastEnd - slackMs ? [pid] : [])),
    )
    const disturbed = this.#faults.some(
      (fault) =>
        disturbing.has(fault.kind) &&
        (fault.pid === 0 || publishers.has(fault.pid)) &&
        overlaps(fault, lastEnd, first.start + 1000),
    )
    return disturbed ? 'published again by a disturbed worker' : undefined
  }
}

function overlaps(fault: Fault, from: number, to: number): boolean {
  return fault.to >= from - slackMs && fault.from <= to + slackMs
}

function append<T>(map: Map<string, T[]>, key: string, value: T): void {
  const list = map.get(key)
  if (list === undefined) map.set(key, [value])
  else list.push(value)
}

function describe({ lang, pid, start, end, id }: Run): string {
  return `${lang} ${pid} from ${start} ${end === undefined ? 'without an end' : `to ${end}`} (${id})`
}
