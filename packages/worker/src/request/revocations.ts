/**
 * What must not run: ids revoked by command or expired, and stamps (celery/worker/state.py 5.7). Ids are shared with other workers;
 * stamps are not.
 */
import { numberFrom, type Environment } from './environment-number.ts'
import { LimitedSet } from './limited-set.ts'
import type { Request } from './request.ts'

export type RevokedReason = 'revoked' | 'expired'

export interface RevocationOptions {
  readonly environment?: Environment
  /** Epoch ms. */
  readonly now?: () => number
}

export class Revocations {
  readonly ids: LimitedSet
  readonly stamps: Map<string, Set<unknown>> = new Map()
  readonly #now: () => number

  constructor(options: RevocationOptions = {}) {
    const environment = options.environment ?? process.env
    this.ids = new LimitedSet({
      max: numberFrom(environment, 'CELERY_WORKER_REVOKES_MAX', 50_000),
      expiresMs: numberFrom(environment, 'CELERY_WORKER_REVOKE_EXPIRES', 10_800) * 1000,
    })
    this.#now = options.now ?? Date.now
  }

  /** Nothing was ever revoked and the message has no expiry: the common case, decided without a look-up. */
  mayConcern(request: Request): boolean {
    return request.message.expiresMs !== null || this.ids.size > 0
  }

  /** The check of worker-behaviour §5.1; an expired id joins the revoked ones. */
  reasonFor(request: Request): RevokedReason | undefined {
    const { expiresMs } = request.message
    if (expiresMs !== null && this.#now() > expiresMs) {
      this.ids.add(request.id)
      return 'expired'
    }
    if (this.ids.size > 0 && this.ids.has(request.id)) return 'revoked'
    return this.stamps.size > 0 && this.stampOf(request) !== undefined ? 'revoked' : undefined
  }

  /** The first stamp of the request that is revoked. All names are tried; null never matches (D57-68). */
  stampOf(request: Request): readonly [name: string, value: unknown] | undefined {
    const { stampedHeaders, stamps } = request.message
    for (const name of stampedHeaders ?? []) {
      const revoked = this.stamps.get(name)
      const value = Object.hasOwn(stamps, name) ? stamps[name] : null
      if (revoked === undefined || value === null) continue
      if (Array.isArray(value) ? value.some((one) => revoked.has(one)) : revoked.has(value))
        return [name, value]
    }
    return undefined
  }

  addStamps(headers: Readonly<Record<string, unknown>>): void {
    for (const [name, value] of Object.entries(headers)) {
      const values = this.stamps.get(name) ?? new Set()
      for (const one of Array.isArray(value) ? value : [value]) values.add(one)
      this.stamps.set(name, values)
    }
  }
}
