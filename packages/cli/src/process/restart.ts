/**
 * SIGHUP: the same command once more, in the same process (celery/apps/worker.py `install_worker_restart_handler` 5.7; WORK-14). Node ≥ 22.15
 * replaces itself by `process.execve`, so that the pid stays and who watches it notices nothing.
 */
import { detachedEnvironment } from './detach.ts'

interface Replaceable {
  execve?(file: string, args: readonly string[], env: NodeJS.ProcessEnv): never
}

export function canRestart(): boolean {
  return (process as Replaceable).execve !== undefined && process.platform !== 'win32'
}

/** Does not return. What was open must be closed before. */
export function restart(argv: readonly string[]): never {
  const [, program = ''] = process.argv
  return (process as Replaceable).execve!(
    process.execPath,
    [
      process.execPath,
      ...new Set(['--disable-warning=ExperimentalWarning', ...process.execArgv]),
      program,
      ...argv,
    ],
    detachedEnvironment(),
  )
}
