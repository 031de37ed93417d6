/**
 * `worker_deduplicate_successful_tasks` (celery/app/trace.py 5.7; worker-behaviour §3.6): a redelivered message whose task has succeeded
 * already is acknowledged instead of run again. Successes of this process are remembered; others are looked up.
 */
import { LimitedSet, type Request } from './request/index.ts'
import { ack, sendSuccessors, type TraceServices } from './trace/index.ts'

export interface Deduplication {
  readonly remember: (taskId: string) => void
  /** True when the request was dealt with. */
  readonly isDone: (request: Request) => Promise<boolean>
}

export function deduplication(services: TraceServices, wanted: boolean): Deduplication | undefined {
  const { results } = services
  if (!wanted || !results.enabled || !results.readable) return undefined
  const successes = new LimitedSet({ max: 1000, expiresMs: 10_800_000 })
  const settle = async (request: Request, settlement: Parameters<Request['settle']>[0]): Promise<true> => {
    request.phase = 'done'
    await request.settle(settlement)
    return true
  }
  return {
    remember: (taskId) => successes.add(taskId),
    async isDone(request) {
      if (successes.has(request.id)) return await settle(request, ack)
      const meta = await results.meta(request.id)
      if (meta?.status !== 'SUCCESS') return false
      services.log.info(`Task ${request.label} Task already completed successfully.`)
      const { callbacks, chain } = request.body.embed
      if ((callbacks !== null || chain !== null) && (meta.children === null || meta.children.length === 0)) {
        try {
          await sendSuccessors(services, request, meta.result)
        } catch (error) {
          services.log.error(`What follows task ${request.label} could not be sent; its message goes back.`, { error })
          return await settle(request, { action: 'requeue' })
        }
      }
      successes.add(request.id)
      return await settle(request, ack)
    },
  }
}
