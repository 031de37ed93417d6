/** What the commands that may run in the background have in common (WORK-8, WORK-9): the options, and the parent's part. */
import { nodePath, type App } from '@ct/client'
import type { Session } from '../session.ts'
import { detach, isDetached } from './detach.ts'
import { LogFile } from './log-file.ts'
import { PidFile } from './pid-file.ts'
import { become } from './privileges.ts'

/** As they are given on the command line. */
export interface DaemonCommandOptions {
  readonly detach?: boolean
  readonly logfile?: string
  readonly pidfile?: string
  readonly uid?: string
  readonly gid?: string
  readonly umask?: string
  readonly executable?: string
}

export interface DaemonOptions {
  readonly logfile: string | undefined
  readonly pidfile: string | undefined
  readonly uid: string | number | undefined
  readonly gid: string | number | undefined
  readonly umask: string | number | undefined
  readonly executable: string | undefined
}

/** The command line, else the settings `workerLogfile`, `beatPidfile` … `node`: name of the node, for `%n` and the like in paths. */
export function daemonOptions(
  app: App,
  program: 'worker' | 'beat' | 'events',
  options: DaemonCommandOptions,
  node: string,
): DaemonOptions {
  const { settings } = app
  const path = (given: string | null | undefined): string | undefined =>
    given === null || given === undefined || given === '' ? undefined : nodePath(given, node)
  return {
    logfile: path(options.logfile ?? settings[`${program}Logfile`]),
    pidfile: path(options.pidfile ?? settings[`${program}Pidfile`]),
    uid: options.uid ?? settings[`${program}Uid`] ?? undefined,
    gid: options.gid ?? settings[`${program}Gid`] ?? undefined,
    umask: options.umask ?? settings[`${program}Umask`] ?? undefined,
    executable: options.executable ?? settings[`${program}Executable`] ?? undefined,
  }
}

/** Whether this process is the one that only starts the other. */
export function isParent(options: DaemonCommandOptions): boolean {
  return options.detach === true && !isDetached() && (process.env['C_FAKEFORK'] ?? '') === ''
}

/** The parent's part of `--detach`: it becomes the other user already, so that the child's files are his. */
export async function runInBackground(session: Session, what: string, daemon: DaemonOptions): Promise<void> {
  become(daemon)
  // Found now, while somebody looks: that a live process has the pid file, or that the log cannot be written.
  if (daemon.pidfile !== undefined)
    PidFile.acquire(daemon.pidfile, (text) => session.complain(text)).release()
  using log =
    daemon.logfile === undefined ? undefined : new LogFile(daemon.logfile, (text) => session.complain(text))
  await detach({
    what,
    argv: session.programArguments,
    executable: daemon.executable,
    cwd: session.startFolder,
    output: log?.fd ?? 'ignore',
    logfile: daemon.logfile,
  })
}
