import type { AppContext } from '@ct/client'
import type { TraceServices } from '../trace/index.ts'
import { chordStallMs } from '../trace-services.ts'
import { OpenChords } from './open-chords.ts'

/** Undefined: the result store does not count chords by itself, or nobody wants them watched. */
export function openChordsFor(context: AppContext, services: () => TraceServices): OpenChords | undefined {
  const { backend, settings, now } = context
  const { chordSweepIntervalMs: sweepMs } = settings
  if (backend?.capabilities.chord !== 'native' || sweepMs === 0) return undefined
  return new OpenChords({ services, sweepMs, stallMs: chordStallMs(settings), now })
}
