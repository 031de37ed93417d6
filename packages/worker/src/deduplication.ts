/**
 * Messages whose task has run already.
 *
 * Of beat, any message that has not been retried may be a second copy of a firing: a beat that took over or started again sends once more, under
 * the same id, what it cannot know to be sent. One whose id has a result, whatever it is, is acknowledged instead of run.
 *
 * `worker_deduplicate_successful_tasks` (celery/app/trace.py 5.7; worker-behaviour §3.6): a redelivered message whose task has succeeded
 * already is acknowledged instead of run again. Successes of this process are remembered; others are looked up.
 */
import { readyStates, scheduledAtHeader, type Settlement } from '@ct/contracts'
import { LimitedSet, numberFrom, type Environment, type Request } from './request/index.ts'
import { ack, sendSuccessors, type TraceServices } from './trace/index.ts'

export interface Deduplication {
  /** Undefined where successes need not be remembered. */
  readonly remember: ((taskId: string) => void) | undefined
  /** Whether its result is to be looked up before it runs. */
  readonly concerns: (request: Request) => boolean
  /** How to settle a request that needs no run; undefined: it does. */
  readonly settlementOf: (request: Request) => Promise<Settlement | undefined>
}

/** `wanted`: redelivered messages too. */
export function deduplication(
  services: TraceServices,
  wanted: boolean,
  environment: Environment = process.env,
): Deduplication | undefined {
  const { results } = services
  if (!results.enabled || !results.readable) return undefined
  const successes = new LimitedSet({
    max: numberFrom(environment, 'CELERY_WORKER_SUCCESSFUL_MAX', 1000),
    expiresMs: numberFrom(environment, 'CELERY_WORKER_SUCCESSFUL_EXPIRES', 10_800) * 1000,
  })
  const isRedelivered = ({ delivery, strategy }: Request): boolean =>
    wanted && delivery.info.redelivered && strategy.options.acksLate
  return {
    remember: wanted ? (taskId) => successes.add(taskId) : undefined,
    concerns: (request) => isFiring(request) || isRedelivered(request),
    async settlementOf(request) {
      if (successes.has(request.id)) return ack
      const meta = await results.meta(request.id)
      if (meta === undefined || !readyStates.has(meta.status as never)) return undefined
      if (!request.delivery.info.redelivered) {
        // Its process was lost, or it was parked and somebody puts it back: no run came to an end.
        if (meta.status === 'FAILURE' && services.results.errorOf(meta).name === 'WorkerLostError')
          return undefined
        services.log.info(
          `Task ${request.label} was sent twice by beat and has run already; this copy is dropped.`,
        )
        return ack
      }
      if (meta.status !== 'SUCCESS') return undefined
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

function isFiring({ message, ignoreResult }: Request): boolean {
  return !ignoreResult && message.retries === 0 && typeof message.headers[scheduledAtHeader] === 'string'
}
