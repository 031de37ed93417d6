/**
 * `--detach`: the same command in the background, in a session of its own (WORK-8). Node cannot fork; what Celery does by fork and exec is done
 * by a child process that outlives us. We wait until it has its pid file and log, or has failed: then this command fails too.
 */
import { spawn } from 'node:child_process'
import { CommandFailure } from '../exit-codes.ts'

/** In the environment of the child: it is the one in the background. */
const mark = 'CT_DETACHED'

const detached = process.env[mark] === '1'
// Not for the processes that tasks start.
if (detached) delete process.env[mark]

export const isDetached = (): boolean => detached

/** For whoever takes this process over: it is in the background already. */
export function detachedEnvironment(): NodeJS.ProcessEnv {
  return detached ? { ...process.env, [mark]: '1' } : process.env
}

export interface DetachOptions {
  /** `worker`, `beat`. */
  readonly what: string
  /** Of this command, `--detach` included. */
  readonly argv: readonly string[]
  readonly executable?: string | undefined
  /** Where it starts; undefined: here. */
  readonly cwd?: string | undefined
  /** Open file for what the child prints before its log is set up, or that goes round it. */
  readonly output: number | 'ignore'
  /** Where to look when it fails. */
  readonly logfile: string | undefined
}

/** Resolves to the pid. Throws `CommandFailure` when the child ends before it has started. */
export async function detach({
  what,
  argv,
  executable,
  cwd,
  output,
  logfile,
}: DetachOptions): Promise<number> {
  const [, program = ''] = process.argv
  const child = spawn(executable ?? process.execPath, [...process.execArgv, program, ...argv], {
    cwd,
    detached: true,
    stdio: ['ignore', output, output, 'ipc'],
    env: { ...process.env, [mark]: '1' },
  })
  const failed = (why: string, code: number): CommandFailure =>
    new CommandFailure(
      `The ${what} did not start in the background: ${why}.${logfile === undefined ? '' : ` See ${logfile}.`}`,
      code,
    )
  await new Promise<void>((resolve, reject) => {
    child.once('message', () => resolve())
    child.once('error', (error) => reject(failed(error.message, 1)))
    child.once('exit', (code, signal) =>
      reject(failed(signal === null ? `it ended with exit code ${code}` : `${signal} ended it`, code || 1)),
    )
  })
  child.disconnect()
  child.unref()
  return child.pid!
}

/** In the child: whoever started it may go. */
export function reportStarted(): void {
  if (!detached || process.send === undefined) return
  process.send('started', () => process.disconnect())
}
