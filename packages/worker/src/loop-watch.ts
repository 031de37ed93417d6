/**
 * Says when a task kept the event loop for itself, and which: heartbeats, lease renewals and remote control stood still meanwhile, which is
 * otherwise only seen as a worker that seems dead or a message that comes twice. For pools that run tasks on the worker's own loop.
 */
import { monitorEventLoopDelay } from 'node:perf_hooks'
import type { Request } from './request/index.ts'

export interface LoopWatchOptions {
  /** Tasks that run now. */
  readonly active: () => readonly Request[]
  readonly warn: (message: string, fields: Readonly<Record<string, unknown>>) => void
  /** Delays from here on are told. Default 1000. */
  readonly thresholdMs?: number
}

interface Run {
  readonly label: string
  readonly from: number
  readonly to: number
}

const lookMs = 500
/** Each sample wakes an idle worker. Delays of a second are told, so a tenth of it is exact enough. */
const sampleMs = 100
/** What a delay is measured from is a sample before it, so the first ones come sooner. */
const firstSampleMs = 10
const mostRuns = 50

export class LoopWatch {
  readonly #options: LoopWatchOptions
  readonly #thresholdMs: number
  #delays: ReturnType<typeof monitorEventLoopDelay> | undefined
  /** For a task that keeps the event loop before the slow samples have begun: they need one to measure from. */
  #first: ReturnType<typeof monitorEventLoopDelay> | undefined
  #timer: NodeJS.Timeout | undefined
  #ended: Run[] = []

  constructor(options: LoopWatchOptions) {
    this.#options = options
    this.#thresholdMs = options.thresholdMs ?? 1000
  }

  start(): void {
    this.#delays = monitorEventLoopDelay({ resolution: sampleMs })
    this.#delays.enable()
    this.#measureFirst()
    this.#timer = setInterval(() => this.#look(), lookMs).unref()
  }

  #measureFirst(): void {
    this.#first = monitorEventLoopDelay({ resolution: firstSampleMs })
    this.#first.enable()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#delays?.disable()
    this.#first?.disable()
  }

  /** A task has ended. Short ones cannot have been it. */
  readonly ended = (request: Request): void => {
    const to = performance.now()
    if (to - request.startedAt < this.#thresholdMs / 2 || this.#ended.length >= mostRuns) return
    this.#ended.push({ label: request.label, from: request.startedAt, to })
  }

  #look(): void {
    const delays = this.#delays!
    const first = this.#first?.max ?? 0
    // A look that was late itself may come before the sample that measures how late: the quick samples stay until slow ones are there.
    if (delays.count > 0 || first / 1e6 >= this.#thresholdMs) {
      this.#first?.disable()
      this.#first = undefined
    }
    // From sample to sample: on average half of the time between two of them was no delay.
    const delayMs = Math.max(first / 1e6, delays.max / 1e6 - sampleMs / 2)
    const ended = this.#ended
    if (delayMs < this.#thresholdMs) {
      // What ended just now may be the cause of a delay that is measured only after this.
      this.#ended = ended.filter(({ to }) => performance.now() - to < 2 * lookMs)
      return
    }
    // This forgets the sample to measure from too.
    delays.reset()
    this.#first?.disable()
    this.#measureFirst()
    this.#ended = []
    const now = performance.now()
    const running = this.#options
      .active()
      .map(({ label, startedAt }) => ({ label, from: startedAt, to: now }))
    // Whoever kept the loop ran at least as long as it was kept, and not long ago.
    const suspects = [...ended, ...running].filter(
      ({ from, to }) => to - from >= delayMs * 0.8 && to >= now - delayMs - 2 * lookMs,
    )
    const labels = suspects.map(({ label }) => label)
    const seconds = (delayMs / 1000).toFixed(1)
    const who =
      labels.length === 0
        ? 'by no task that is known: by a hook, a handler of an event, or the machine'
        : labels.length === 1
          ? `by task ${labels[0]}`
          : `by one of the tasks ${labels.slice(0, 10).join(', ')}`
    this.#options.warn(
      `The event loop stood still for ${seconds} s, kept ${who}. Heartbeats, lease renewals and remote control were late by as much. Run tasks that compute with -P threads or -P processes.`,
      { delayMs: Math.round(delayMs), tasks: labels },
    )
  }
}
