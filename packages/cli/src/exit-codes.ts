/** Exit codes of `ct` (Celery's: celery/bin/base.py and celery/apps/worker.py 5.7). docs/reference/command-line.md lists them. */
export const exitCodes = {
  /** All went well. */
  ok: 0,
  /** The command failed, or the worker was stopped by SIGINT or could not go on. */
  error: 1,
  /** Unknown command or option, or a value that does not fit. */
  usage: 2,
  /** No worker answered, or the broker or result backend cannot be reached (EX_UNAVAILABLE). */
  unavailable: 69,
  /** The pid file belongs to a process that lives, or cannot be made (EX_CANTCREAT). */
  cannotCreate: 73,
} as const

export type ExitCode = (typeof exitCodes)[keyof typeof exitCodes]

/** Ends a command with this code after printing the message to standard error. */
export class CommandFailure extends Error {
  readonly exitCode: number
  constructor(message: string, exitCode: number = exitCodes.error, options?: ErrorOptions) {
    super(message, options)
    this.name = 'CommandFailure'
    this.exitCode = exitCode
  }
}
