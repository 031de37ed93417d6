/**
 * Resizes the pool by what there is to do (celery/worker/autoscale.py 5.7; worker-behaviour §4.2).
 *
 *   reserved and running tasks > slots              ─► grow to as many, at most `max`, at once
 *   fewer than slots, and none came for `keepalive` ─► shrink to as many, at least `min`
 *
 * Looked at with every task that is reserved, and once every `keepalive`. Only what was grown is shrunk, and busy slots end their task first.
 */
export interface AutoscalerOptions {
  readonly max: number
  readonly min: number
  readonly size: () => number
  /** Tasks reserved or running. */
  readonly quantity: () => number
  readonly resize: (by: number) => Promise<void>
  /** The prefetch budget follows the most slots there may be. */
  readonly onMax: (max: number) => void
  readonly log: (message: string) => void
  readonly keepaliveMs?: number
  /** Monotonic ms. */
  readonly now?: () => number
}

export interface AutoscaleLimits {
  readonly max?: number | undefined
  readonly min?: number | undefined
}

/** `AUTOSCALE_KEEPALIVE` of the environment, in seconds; Celery's default is 30. */
export function keepaliveFrom(
  environment: Readonly<Record<string, string | undefined>> = process.env,
): number {
  const seconds = Number(environment['AUTOSCALE_KEEPALIVE'] ?? '')
  return Number.isFinite(seconds) && seconds > 0 ? seconds * 1000 : 30_000
}

export class Autoscaler {
  readonly #options: AutoscalerOptions
  readonly #keepaliveMs: number
  readonly #now: () => number
  #max: number
  #min: number
  #grown = false
  #quietSince: number
  #timer: NodeJS.Timeout | undefined

  constructor(options: AutoscalerOptions) {
    this.#options = options
    this.#max = options.max
    this.#min = options.min
    this.#keepaliveMs = options.keepaliveMs ?? keepaliveFrom()
    this.#now = options.now ?? (() => performance.now())
    this.#quietSince = this.#now()
  }

  start(): void {
    this.#timer ??= setInterval(() => this.scale(), this.#keepaliveMs).unref()
  }

  stop(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  /** A task was reserved: the idle time begins anew (D57-70). */
  reserved(): void {
    this.#quietSince = this.#now()
    // Counting takes time where much is held; nothing shrinks now, and at the most nothing grows.
    if (this.#options.size() < this.#max) this.scale()
  }

  scale(): void {
    const { size, quantity } = this.#options
    const slots = size()
    const wanted = quantity()
    const most = Math.min(wanted, this.#max)
    if (most > slots) {
      this.#grown = true
      this.#quietSince = this.#now()
      this.#resize(most - slots)
      return
    }
    const least = Math.max(wanted, this.#min, 1)
    if (least < slots && this.#grown && this.#now() - this.#quietSince >= this.#keepaliveMs)
      this.#resize(least - slots)
  }

  /** Takes effect at once, as the command `autoscale` does. */
  update(limits: AutoscaleLimits): {
    readonly max: number
    readonly min: number
  } {
    const { size, onMax } = this.#options
    const { max, min } = ordered(limits)
    if (max !== undefined) {
      this.#max = Math.max(1, max)
      onMax(this.#max)
    }
    if (min !== undefined) this.#min = min
    // The one that was given wins over the other.
    if (this.#min > this.#max) {
      if (max !== undefined) this.#min = this.#max
      else onMax((this.#max = this.#min))
    }
    const slots = Math.min(Math.max(size(), this.#min), this.#max)
    if (slots !== size()) this.#resize(slots - size())
    return { max: this.#max, min: this.#min }
  }

  info(): Readonly<Record<'max' | 'min' | 'current' | 'qty', number>> {
    return {
      max: this.#max,
      min: this.#min,
      current: this.#options.size(),
      qty: this.#options.quantity(),
    }
  }

  #resize(by: number): void {
    this.#options.log(by > 0 ? `Scaling up ${by} processes.` : `Scaling down ${-by} processes.`)
    this.#options.resize(by).catch((error: unknown) => {
      this.#options.log(
        `The pool could not be resized: ${error instanceof Error ? error.message : String(error)}`,
      )
    })
  }
}

/** As on the command line: of two numbers the larger one is the maximum. */
function ordered({ max, min }: AutoscaleLimits): AutoscaleLimits {
  return max !== undefined && min !== undefined && min > max ? { max: min, min: max } : { max, min }
}
