/** Signals of a process that is there for its beat: the first one stops it, a second one ends the process at once. */
import { constants } from 'node:os'

export interface BeatSignals {
  readonly onStop: (signal: NodeJS.Signals) => void
  /** Whatever was under way is left; what was not saved is sent again by the next beat, under the same id. */
  readonly onEnd: (signal: NodeJS.Signals, exitCode: number) => void
  /** Default: this process. */
  readonly target?: Pick<NodeJS.Process, 'on' | 'off'>
}

/** Returns what takes the handlers away again. */
export function installSignals({ onStop, onEnd, target = process }: BeatSignals): () => void {
  let told = false
  const handle = (signal: NodeJS.Signals): void => {
    // As a shell reports it of a process that the signal has ended.
    if (told) onEnd(signal, 128 + constants.signals[signal])
    else onStop(signal)
    told = true
  }
  const names = ['SIGTERM', 'SIGINT'] as const
  for (const name of names) target.on(name, handle)
  return () => {
    for (const name of names) target.off(name, handle)
  }
}
