/**
 * `worker_deduplicate_successful_tasks` (celery/app/trace.py 5.7; worker-behaviour §3.6): a redelivered message whose task has succeeded
 * already is acknowledged instead of run again. Successes of this process are remembered; others are looked up.
 */
import type { Settlement } from '@ct/contracts'
import { LimitedSet, type Request } from './request/index.ts'
import { ack, sendSuccessors, type TraceServices } from './trace/index.ts'

export interface Deduplication {
  readonly remember: (taskId: string) => void
  /** How to settle a request that needs no run; undefined: it does. */
  readonly settlementOf: (request: Request) => Promise<Settlement | undefined>
}

export function deduplication(services: TraceServices, wanted: boolean): Deduplication | undefined {
  const { results } = services
  if (!wanted || !results.enabled || !results.readable) return undefined
  const successes = new LimitedSet({ max: 1000, expiresMs: 10_800_000 })
  return {
    remember: (taskId) => successes.add(taskId),
    async settlementOf(request) {
      if (successes.has(request.id)) return ack
      const meta = await results.meta(request.id)
      if (meta?.status !== 'SUCCESS') return undefined
      services.log.info(`Task ${request.label} Task already completed successfully.`)
      const { callbacks, chain } = request.body.embed
      if ((callbacks !== null || chain !== null) && (meta.children === null || meta.children.length === 0)) {
        try {
          await sendSuccessors(services, request, meta.result)
        } catch (error) {
          services.log.error(`What follows task ${request.label} could not be sent; its message goes back.`, {
            error,
          })
          return { action: 'requeue' }
        }
      }
      successes.add(request.id)
      return ack
    },
  }
}
