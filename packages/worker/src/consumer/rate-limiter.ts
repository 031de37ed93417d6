/** Requests that wait for a token of their task type: FIFO per type, one timer per type that has somebody waiting. */
import { Fifo } from '../pool/index.ts'
import type { Request, Strategy } from '../request/index.ts'

interface Line {
  readonly waiting: Fifo<Request>
  timer: NodeJS.Timeout | undefined
}

export class RateLimiter {
  readonly #lines = new Map<Strategy, Line>()
  readonly #onToken: (request: Request) => void

  constructor(onToken: (request: Request) => void) {
    this.#onToken = onToken
  }

  /** Hands the request on at once when a token is there and nobody waits before it. */
  enter(request: Request): void {
    const { strategy } = request
    const line = this.#lines.get(strategy)
    if (line === undefined && (strategy.bucket === undefined || strategy.bucket.take())) {
      this.#onToken(request)
      return
    }
    request.phase = 'limited'
    const own = line ?? { waiting: new Fifo<Request>(), timer: undefined }
    if (line === undefined) this.#lines.set(strategy, own)
    own.waiting.push(request)
    this.#arm(strategy, own)
  }

  /** After a change of limits: those who wait follow the new one. */
  reset(strategy: Strategy): void {
    const line = this.#lines.get(strategy)
    if (line === undefined) return
    clearTimeout(line.timer)
    line.timer = undefined
    this.#pass(strategy, line)
  }

  clear(): void {
    for (const line of this.#lines.values()) clearTimeout(line.timer)
    this.#lines.clear()
  }

  #arm(strategy: Strategy, line: Line): void {
    if (line.timer !== undefined) return
    line.timer = setTimeout(
      () => {
        line.timer = undefined
        this.#pass(strategy, line)
      },
      // Timers cannot count beyond 24 days, and would fire at once; whoever is early waits again.
      Math.min(2 ** 31 - 1, Math.ceil(strategy.bucket?.waitMs() ?? 0)),
    )
    line.timer.unref()
  }

  #pass(strategy: Strategy, line: Line): void {
    for (let next = line.waiting.shift(); next !== undefined; next = line.waiting.shift()) {
      // Whoever will not run any more costs no token.
      if (next.phase !== 'limited') continue
      if (strategy.bucket?.take() === false) {
        line.waiting.unshift(next)
        break
      }
      this.#onToken(next)
    }
    if (line.waiting.length > 0) this.#arm(strategy, line)
    else this.#lines.delete(strategy)
  }
}
