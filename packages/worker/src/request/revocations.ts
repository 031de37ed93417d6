/**
 * What must not run: ids revoked by command or expired, and stamps (celery/worker/state.py 5.7). Ids are shared with other workers;
 * stamps are not.
 */
import { numberFrom, type Environment } from './environment-number.ts'
import { LimitedSet } from './limited-set.ts'
import type { Request } from './request.ts'
import { RevokedStamps } from './revoked-stamps.ts'

export type RevokedReason = 'revoked' | 'expired'

export interface RevocationOptions {
  readonly environment?: Environment
  /** Epoch ms. */
  readonly now?: () => number
}

export class Revocations {
  readonly ids: LimitedSet
  readonly stamps: RevokedStamps
  readonly #now: () => number

  constructor(options: RevocationOptions = {}) {
    const environment = options.environment ?? process.env
    const max = numberFrom(environment, 'CELERY_WORKER_REVOKES_MAX', 50_000)
    this.stamps = new RevokedStamps({ max })
    this.ids = new LimitedSet({
      max,
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
      const value = Object.hasOwn(stamps, name) ? stamps[name] : null
      if (value === null) continue
      const values = Array.isArray(value) ? (value as readonly unknown[]) : [value]
      if (values.some((one) => this.stamps.has(name, one))) return [name, value]
    }
    return undefined
  }
}
