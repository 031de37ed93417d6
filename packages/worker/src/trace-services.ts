/** {@link TraceServices} over an app: for the worker's own thread, and for slots elsewhere. */
import type { AppContext } from '@ct/client'
import { chordsOf, resultsOf, senderOf, traceLog } from './app-services.ts'
import type { TraceServices } from './trace/index.ts'

const dayMs = 86_400_000

/** By default before the parts of the chord expire: after that nothing could complete it. */
export function chordStallMs(
  settings: Pick<AppContext['settings'], 'chordStallTimeoutMs' | 'resultChordExpires' | 'resultExpires'>,
): number {
  const kept = settings.resultChordExpires ?? settings.resultExpires
  return settings.chordStallTimeoutMs ?? (kept === null || kept === 0 ? dayMs : kept * 1000) * 0.9
}

export function traceServices(
  context: AppContext,
  own: Pick<TraceServices, 'hostname' | 'events' | 'task' | 'pause' | 'openChords'>,
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
    openChords: own.openChords,
    chordStallMs: context.defaults === 'ct' ? chordStallMs(settings) : undefined,
    inheritPriority: settings.taskInheritParentPriority,
    chordJoinTimeout: settings.resultChordJoinTimeout,
    publishBoundMs: Math.max(21_000, (settings.publishTimeoutMs ?? 0) + 5000),
    task: own.task,
    pause: own.pause,
    onInternalError: () => undefined,
  }
}
