/**
 * Tells systemd what the worker is about (`Type=notify`): READY=1, STOPPING=1, RELOADING, STATUS=, and WATCHDOG=1 as often as the unit asks for.
 *
 * The protocol is one datagram to a unix socket, which Node cannot send. `systemd-notify`, which comes with systemd, does: a unit needs
 * `NotifyAccess=all`, because the datagram then comes from a child of the worker. Where there is no `NOTIFY_SOCKET`, nothing is done.
 */
import { execFile } from 'node:child_process'

export interface ServiceManager {
  ready(status: string): Promise<void>
  stopping(): Promise<void>
  /** The same process starts anew. */
  reloading(): Promise<void>
  /** Sends WATCHDOG=1 while `alive` says so, twice in the time that systemd waits. */
  watch(alive: () => boolean): Disposable
}

type Environment = Readonly<Record<string, string | undefined>>

/** Undefined where nobody listens. `complain` hears once that it fails; where the program is missing it is not tried again. */
export function serviceManager(
  complain: (text: string) => void,
  environment: Environment = process.env,
): ServiceManager | undefined {
  const socket = environment['NOTIFY_SOCKET']
  if (socket === undefined || socket === '') return undefined
  let missing = false
  let told = false
  const notify = (...lines: readonly string[]): Promise<void> => {
    if (missing) return Promise.resolve()
    return new Promise((resolve) => {
      execFile('systemd-notify', [`--pid=${process.pid}`, ...lines], { timeout: 5_000 }, (error) => {
        // What failed once, on a machine that had no time or memory for it, is tried again: systemd ends a worker whose watchdog is silent.
        missing = (error as NodeJS.ErrnoException | null)?.code === 'ENOENT'
        if (error !== null && !told) {
          told = true
          complain(`systemd is not told: systemd-notify failed: ${error.message.trim()}`)
        }
        resolve()
      })
    })
  }
  return {
    ready: (status) => notify('READY=1', `STATUS=${status}`),
    stopping: () => notify('STOPPING=1', 'STATUS=waiting for running tasks'),
    reloading: () => notify('RELOADING=1', 'STATUS=restarting'),
    watch(alive) {
      const everyMs = watchdogMs(environment)
      if (everyMs === undefined) return { [Symbol.dispose]: () => {} }
      const timer = setInterval(() => {
        if (alive()) void notify('WATCHDOG=1')
      }, everyMs)
      timer.unref()
      return { [Symbol.dispose]: () => clearInterval(timer) }
    },
  }
}

/** Half of `WATCHDOG_USEC`, if it is meant for this process. */
function watchdogMs(environment: Environment): number | undefined {
  const wanted = Number(environment['WATCHDOG_USEC'])
  const pid = environment['WATCHDOG_PID']
  if (!(wanted > 0) || (pid !== undefined && pid !== '' && Number(pid) !== process.pid)) return undefined
  return Math.max(100, Math.min(wanted / 2000, 2 ** 31 - 1))
}
