/**
 * Tasks that say how many of them may run at a time in one worker (`concurrency`; PAIN-59): all of a task, or those with one key.
 *
 *   ready ─► fewer run than may ─► on to a slot ─► left ─► the next one that waits for that place
 *      └───► as many as may     ─► waits, still reserved: revoked, released and shown as any other
 */
import { Fifo } from '../pool/index.ts'
import type { Request, Strategy } from '../request/index.ts'

interface Place {
  readonly key: string
  running: number
  readonly waiting: Fifo<Request>
}

export class ConcurrencyGate {
  readonly #places = new Map<Strategy, Map<string, Place>>()
  readonly #through = new Map<Request, Place>()
  readonly #pass: (request: Request) => void

  /** `pass` takes those that waited. */
  constructor(pass: (request: Request) => void) {
    this.#pass = pass
  }

  /** False: it waits here. Throws what the task's `key` throws. */
  enter(request: Request): boolean {
    const { strategy } = request
    const { concurrency } = strategy.options
    if (concurrency === null || this.#through.has(request)) return true
    const { args, kwargs } = request.body
    const key = concurrency.key === undefined ? '' : String(concurrency.key(args, kwargs))
    let places = this.#places.get(strategy)
    if (places === undefined) this.#places.set(strategy, (places = new Map()))
    let place = places.get(key)
    if (place === undefined) places.set(key, (place = { key, running: 0, waiting: new Fifo() }))
    if (place.running >= concurrency.limit) {
      place.waiting.push(request)
      return false
    }
    this.#let(request, place)
    return true
  }

  /** It has ended, or will not run. Nothing happens for those that were never let through. */
  leave(request: Request): void {
    const place = this.#through.get(request)
    if (place === undefined) return
    this.#through.delete(request)
    place.running -= 1
    const next = this.#next(place)
    if (next !== undefined) {
      this.#let(next, place)
      this.#pass(next)
      return
    }
    if (place.running > 0) return
    const places = this.#places.get(request.strategy)
    places?.delete(place.key)
    if (places?.size === 0) this.#places.delete(request.strategy)
  }

  #let(request: Request, place: Place): void {
    place.running += 1
    this.#through.set(request, place)
  }

  /** Those that were revoked or given back meanwhile wait no more. */
  #next({ waiting }: Place): Request | undefined {
    for (let next = waiting.shift(); next !== undefined; next = waiting.shift())
      if (next.phase === 'reserved') return next
    return undefined
  }
}
