/** When tasks were first and last heard of, and their order by that (kombu/clocks.py 5.7, `timetuple`). */

export interface TaskListOptions {
  /** Most tasks. Default: all. */
  readonly limit?: number | undefined
  /** Newest first. Default true. */
  readonly reverse?: boolean | undefined
}

export interface Moment {
  /** The sender's logical clock; 0: none. */
  readonly clock: number
  /** Seconds since 1970. */
  readonly timestamp: number
  /** Who sent it. */
  readonly origin: string
}

interface Span {
  first: Moment
  last: Moment
}

const never: Moment = { clock: 0, timestamp: 0, origin: '' }

export class EventOrder {
  readonly #spans = new Map<string, Span>()

  add(uuid: string, moment: Moment): void {
    const span = this.#spans.get(uuid)
    if (span === undefined) {
      this.#spans.set(uuid, { first: moment, last: moment })
      return
    }
    if (compare(moment, span.first) < 0) span.first = moment
    if (compare(moment, span.last) >= 0) span.last = moment
  }

  delete(uuid: string): void {
    this.#spans.delete(uuid)
  }

  /** For {@link restore}. */
  spanOf(uuid: string): unknown {
    return this.#spans.get(uuid)
  }

  /** What is no span is left out. */
  restore(uuid: string, span: unknown): void {
    if (isSpan(span)) this.#spans.set(uuid, span)
  }

  sorted<T extends { readonly uuid: string }>(
    tasks: readonly T[],
    { limit = Infinity, reverse = true }: TaskListOptions,
  ): T[] {
    const keyed = tasks.map((task) => {
      const span = this.#spans.get(task.uuid)
      return { task, at: (reverse ? span?.last : span?.first) ?? never }
    })
    keyed.sort((a, b) => (reverse ? compare(b.at, a.at) : compare(a.at, b.at)))
    return keyed.slice(0, limit).map(({ task }) => task)
  }
}

/** By logical clock, at equal clocks by sender; by time where one of them has no clock. */
function compare(a: Moment, b: Moment): number {
  if (a.clock === 0 || b.clock === 0) return a.timestamp - b.timestamp
  if (a.clock !== b.clock) return a.clock - b.clock
  return a.origin < b.origin ? -1 : a.origin > b.origin ? 1 : 0
}

function isSpan(value: unknown): value is Span {
  const { first, last } = (value ?? {}) as { readonly first?: unknown; readonly last?: unknown }
  return isMoment(first) && isMoment(last)
}

function isMoment(value: unknown): value is Moment {
  const { clock, timestamp, origin } = (value ?? {}) as Readonly<Record<keyof Moment, unknown>>
  return typeof clock === 'number' && typeof timestamp === 'number' && typeof origin === 'string'
}
