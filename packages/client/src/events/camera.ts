/** Takes pictures of a fleet's state at intervals (celery/events/snapshot.py 5.7, Polaroid). */
import { ConfigurationError, isRateLimit, rateLimitWanted } from '@ct/contracts'
import { longestTimerMs } from '../connection/index.ts'
import { checkKnownOptions } from './known-options.ts'
import type { KnownOptions } from './known-options.ts'
import type { State } from './state.ts'

export interface CameraOptions {
  /** Seconds between pictures. Default 1. */
  readonly freq?: number | undefined
  /** At most so many pictures, such as `10/m`: what comes too soon is left out. Default: no limit. */
  readonly maxrate?: string | number | null | undefined
  /** Seconds between clean-ups. Default 3,600. */
  readonly cleanupFreq?: number | undefined
  /** Forget finished tasks, workers and counts after each picture. Default false. */
  readonly clearAfter?: boolean | undefined
  /** Takes the picture: stores what it finds. The state holds still meanwhile. */
  readonly onShutter?: ((state: State) => unknown) | undefined
  /** Clears old pictures away. */
  readonly onCleanup?: (() => unknown) | undefined
  /** Told what a picture or a clean-up failed with; the next one is taken all the same. Default: a warning of the process. */
  readonly onError?: ((error: unknown, what: 'shutter' | 'cleanup') => void) | undefined
  /** Milliseconds of a clock that only goes forward. */
  readonly now?: (() => number) | undefined
}

const known: KnownOptions<CameraOptions> = {
  freq: 'any',
  maxrate: 'any',
  cleanupFreq: 'any',
  clearAfter: 'flag',
  onShutter: 'callback',
  onCleanup: 'callback',
  onError: 'callback',
  now: 'callback',
}

/**
 * Give it `onShutter`, or derive a class that has it:
 *
 * ```ts
 * export default class Pictures extends Camera {
 *   override async onShutter(state: State) { await save(state.tasksByTime({ limit: 100 })) }
 * }
 * ```
 * One picture at a time: while one is still being taken the next is left out.
 */
export class Camera {
  readonly state: State
  /** See {@link CameraOptions.clearAfter}. */
  clearAfter: boolean
  readonly #options: CameraOptions
  readonly #leastMs: number
  #lastAt = -Infinity
  #taking: Promise<void> | undefined
  #timers: NodeJS.Timeout[] = []

  /** Errors: `CT_CONFIGURATION`. */
  constructor(state: State, options: CameraOptions = {}) {
    checkKnownOptions('A camera', options, known)
    const { freq = 1, cleanupFreq = 3600, maxrate = null } = options
    for (const [name, value] of [
      ['freq', freq],
      ['cleanupFreq', cleanupFreq],
    ] as const) {
      if (!(value > 0) || value * 1000 > longestTimerMs)
        throw new ConfigurationError(`${name} is ${String(value)}. Give a number of seconds above 0.`)
    }
    this.state = state
    this.clearAfter = options.clearAfter ?? false
    this.#options = options
    this.#leastMs = leastInterval(maxrate)
  }

  onShutter(state: State): unknown {
    return this.#options.onShutter?.(state)
  }

  onCleanup(): unknown {
    return this.#options.onCleanup?.()
  }

  /** From now on a picture every `freq` seconds. */
  start(): this {
    if (this.#timers.length > 0) return this
    const { freq = 1, cleanupFreq = 3600 } = this.#options
    this.#timers = [
      setInterval(() => void this.capture(), freq * 1000),
      setInterval(() => void this.#attempt('cleanup', () => this.onCleanup()), cleanupFreq * 1000),
    ]
    return this
  }

  /** Takes a picture now, unless one is being taken or it would be too many. Never rejects. */
  capture(): Promise<void> {
    const { now = () => performance.now() } = this.#options
    if (this.#taking !== undefined) return this.#taking
    if (now() - this.#lastAt < this.#leastMs) return Promise.resolve()
    this.#lastAt = now()
    this.#taking = this.#attempt('shutter', () =>
      this.state.freezeWhile((state) => this.onShutter(state), { clearAfter: this.clearAfter }),
    ).finally(() => {
      this.#taking = undefined
    })
    return this.#taking
  }

  /** Takes a last picture and ends. Never rejects. */
  async stop(): Promise<void> {
    if (this.#timers.length === 0) return
    for (const timer of this.#timers) clearInterval(timer)
    this.#timers = []
    await this.#taking
    this.#lastAt = -Infinity
    await this.capture()
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.stop()
  }

  async #attempt(what: 'shutter' | 'cleanup', run: () => unknown): Promise<void> {
    try {
      await run()
    } catch (error) {
      ;(this.#options.onError ?? warnOf)(error, what)
    }
  }
}

function warnOf(error: unknown, what: string): void {
  process.emitWarning(
    `The camera's ${what} failed: ${error instanceof Error ? error.message : String(error)}`,
  )
}

const secondsOf: Readonly<Record<string, number>> = { s: 1, m: 60, h: 3600 }

/** Milliseconds between two pictures of a rate such as `10/m`. */
function leastInterval(rate: string | number | null): number {
  if (rate === null || rate === 0 || rate === '') return 0
  if (!isRateLimit(rate))
    throw new ConfigurationError(`maxrate is ${JSON.stringify(rate)}. ${rateLimitWanted}`)
  const [count = '', unit = 's'] = String(rate).split('/')
  const perSecond = Number(count) / (secondsOf[unit.trim()] ?? 1)
  return perSecond > 0 ? 1000 / perSecond : 0
}
