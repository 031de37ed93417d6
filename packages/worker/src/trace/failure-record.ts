import { CeleryError, pyRepr, type ResultWrite } from '@ct/contracts'
import type { Request } from '../request/index.ts'
import { noChildren, type Effects } from './effects.ts'
import { matches } from './retry.ts'
import { slotVerdict } from './slot-error.ts'

/** What stays of a failure: its document in the result store, and its line in the log. */
export class FailureRecord {
  readonly #effects: Effects

  constructor(effects: Effects) {
    this.#effects = effects
  }

  /** An error that cannot be stored as it is (its own arguments cannot be encoded) is stored by its text. */
  encode(request: Request, error: unknown, traceback: string): ResultWrite | undefined {
    const subject = { taskId: request.id, request }
    const children = request.children ?? noChildren
    try {
      return this.#effects.services.results.encode(subject, {
        state: 'FAILURE',
        result: error,
        traceback,
        children,
      })
    } catch (cause) {
      const replacement = new CeleryError('CT_ENCODE', `The failure could not be encoded: ${pyRepr(error)}`, {
        cause,
      })
      return this.#effects.services.results.encode(subject, {
        state: 'FAILURE',
        result: replacement,
        traceback,
        children,
      })
    }
  }

  log(request: Request, error: unknown): void {
    const { log } = this.#effects.services
    if (slotVerdict(error)?.expected ?? matches(request.strategy.options.throws, error)) {
      if (log.infoEnabled)
        log.info(`Task ${request.label} raised expected: ${pyRepr(error)}`, request.logFields)
      return
    }
    log.error(`Task ${request.label} raised unexpected: ${pyRepr(error)}`, { ...request.logFields, error })
  }
}
