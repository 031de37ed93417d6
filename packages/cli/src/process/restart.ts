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

/** Does not return. What was open must be closed before. `folder`: where it starts; undefined: here. */
export function restart(argv: readonly string[], folder: string | undefined): never {
  const [, program = ''] = process.argv
  if (folder !== undefined) process.chdir(folder)
  return (process as Replaceable).execve!(
    process.execPath,
    [process.execPath, ...optionsOfNode(process.execArgv), program, ...argv],
    detachedEnvironment(),
  )
}

const quiet = '--disable-warning=ExperimentalWarning'

/** As they are: `--import a --import b` stays two pairs. The one of ours is there once, however often the process starts anew. */
export function optionsOfNode(given: readonly string[]): readonly string[] {
  return given.includes(quiet) ? given : [quiet, ...given]
}
