/** {@link TraceServices} over an app: for the worker's own thread, and for slots elsewhere. */
import type { AppContext } from '@ct/client'
import { chordsOf, resultsOf, senderOf, traceLog } from './app-services.ts'
import type { TraceServices } from './trace/index.ts'

export function traceServices(
  context: AppContext,
  own: Pick<TraceServices, 'hostname' | 'events' | 'task' | 'pause'>,
): TraceServices {
  const { settings } = context
  return {
    app: context.app,
    hostname: own.hostname,
    results: resultsOf(context, own.hostname),
    chords: chordsOf(context),
    sender: senderOf(context),
    events: own.events,
    log: traceLog(context),
    defaults: context.defaults,
    inheritPriority: settings.taskInheritParentPriority,
    chordJoinTimeout: settings.resultChordJoinTimeout,
    publishBoundMs: Math.max(21_000, (settings.publishTimeoutMs ?? 0) + 5000),
    task: own.task,
    pause: own.pause,
    onInternalError: () => undefined,
  }
}
