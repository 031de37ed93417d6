/**
 * Process signals as Celery's worker takes them (celery/apps/worker.py 5.7).
 *
 *   SIGTERM   warm; again: soft, then cold; again: cancel running tasks now; again: exit
 *   SIGINT    the same, and the exit code is 1
 *   SIGQUIT   soft, then cold at once
 *
 * With `REMAP_SIGTERM=SIGQUIT` in the environment SIGTERM behaves as SIGQUIT, for platforms that send nothing else.
 */

/** How much of what runs a stop waits for; each further request goes one step on, never back. */
export type StopMode = 'warm' | 'soft' | 'cold' | 'exit'

const steps: readonly StopMode[] = ['warm', 'soft', 'cold', 'exit']

export interface SignalHandlers {
  /** Called for each signal; must not throw. */
  readonly onStop: (mode: StopMode, signal: NodeJS.Signals) => void
  readonly environment?: Readonly<Record<string, string | undefined>>
  /** Default: this process. */
  readonly target?: Pick<NodeJS.Process, 'on' | 'off'>
}

/** Installs the handlers; returns what takes them away again. */
export function installSignals(options: SignalHandlers): () => void {
  const target = options.target ?? process
  const environment = options.environment ?? process.env
  const remapped = environment['REMAP_SIGTERM'] === 'SIGQUIT'
  let step = -1
  const handle = (signal: NodeJS.Signals): void => {
    const quits = signal === 'SIGQUIT' || (signal === 'SIGTERM' && remapped)
    step = Math.min(steps.length - 1, Math.max(step + 1, quits ? 1 : 0))
    options.onStop(steps[step]!, signal)
  }
  const signals = ['SIGTERM', 'SIGINT', 'SIGQUIT'] as const
  for (const signal of signals) target.on(signal, handle)
  return () => {
    for (const signal of signals) target.off(signal, handle)
  }
}
