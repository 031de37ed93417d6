/**
 * Error callbacks (canvas-semantics §7.2; celery/backends/base.py 5.7, `_call_task_errbacks`).
 *
 * New style: a task of this worker, not bound, that takes more than one argument is called in process with the request, the error and the
 * traceback. Old style: everything else is sent, with the id of the failed task as its first argument; all of one failure go out as one
 * group.
 */
import { callWithFailure, takesFailure, type Outbox } from '@ct/client'
import { isRawJson, type SignatureDict, type SignatureSource } from '@ct/contracts'
import { sent } from './effects.ts'
import type { TraceServices } from './ports.ts'
import { readable } from './readable.ts'

/** The failed task as its errbacks see it; for chords a stand-in. */
export interface FailedTask {
  readonly id: string
  readonly rootId: string | null
  readonly task: string
  readonly errbacks: readonly SignatureSource[] | null
  /** What a new style errback gets as `request`. */
  readonly view: unknown
  /** Of the failed task, if it carries what follows. */
  readonly outbox?: Outbox | undefined
}

/** Rejects with the error of those that could not be sent. */
export async function callErrbacks(
  services: TraceServices,
  failed: FailedTask,
  error: unknown,
  traceback: string | null,
): Promise<void> {
  if (failed.errbacks === null || failed.errbacks.length === 0) return
  const old: SignatureSource[] = []
  for (const source of failed.errbacks) {
    const errback = readable(services, source, `An error callback of ${failed.task}[${failed.id}]`)
    if (errback === undefined) continue
    if (!(await callInline(services, errback, failed, error, traceback))) old.push(source)
  }
  if (old.length === 0) return
  await sent(services, `The error callbacks of ${failed.task}[${failed.id}] could not be sent`, () =>
    services.sender.callGroup(old, {
      args: [failed.id],
      parentId: failed.id,
      rootId: failed.rootId ?? failed.id,
      outbox: failed.outbox,
    }),
  )
}

/** False: it is to be sent. An error in it is logged; the others still run. */
async function callInline(
  services: TraceServices,
  errback: SignatureDict,
  failed: FailedTask,
  error: unknown,
  traceback: string | null,
): Promise<boolean> {
  const task = errback.subtask_type === null ? services.task(errback.task) : undefined
  if (!takesFailure(task, errback)) return false
  const args = errback.args.map(plain)
  const kwargs = Object.fromEntries(Object.entries(errback.kwargs).map(([key, value]) => [key, plain(value)]))
  try {
    await callWithFailure(services.app, task, { args, kwargs, immutable: errback.immutable }, [
      failed.view,
      error,
      traceback,
    ])
  } catch (thrown) {
    services.log.error(`Error callback ${errback.task} of ${failed.task}[${failed.id}] raised an error.`, {
      error: thrown,
    })
  }
  return true
}

function plain(value: unknown): unknown {
  return isRawJson(value) ? value.decode() : value
}
