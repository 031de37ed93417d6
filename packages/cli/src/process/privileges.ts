/** Becoming another user before anything is opened (WORK-8, WORK-9; celery/platforms.py `maybe_drop_privileges` 5.7). POSIX only. */
import { execFileSync } from 'node:child_process'
import { CommandFailure, exitCodes } from '../exit-codes.ts'

export interface Identity {
  /** Name or number. */
  readonly uid?: string | number | undefined
  /** Name or number. Default: the main group of the user. */
  readonly gid?: string | number | undefined
  /** Octal, such as `022`. */
  readonly umask?: string | number | undefined
}

/** Missing in the types of Node. */
interface WithGroups {
  initgroups?(user: string | number, extraGroup: string | number): void
}

/** Throws `CommandFailure` when the process may not, or there is no such user or group. */
export function become({ uid, gid, umask }: Identity): void {
  if (umask !== undefined) process.umask(octal(umask))
  if (uid === undefined && gid === undefined) return
  if (process.setuid === undefined || process.setgid === undefined) {
    throw new CommandFailure('This system knows no --uid and --gid.', exitCodes.usage)
  }
  try {
    if (uid === undefined) {
      process.setgid(identity(gid!))
      return
    }
    const user = identity(uid)
    const group = gid === undefined ? mainGroup(user) : identity(gid)
    process.setgid(group)
    if (process.geteuid?.() === 0) (process as WithGroups).initgroups?.(user, group)
    process.setuid(user)
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new CommandFailure(
      `This process cannot become user ${String(uid ?? '(the same)')}, group ${String(gid ?? '(the user’s)')}: ${why}`,
      exitCodes.error,
      { cause: error },
    )
  }
  if (process.getuid?.() !== 0 && mayBecomeRoot()) {
    throw new CommandFailure('This process could become root again after --uid; it does not start like that.')
  }
}

function mayBecomeRoot(): boolean {
  try {
    process.setuid?.(0)
    return true
  } catch {
    return false
  }
}

function identity(given: string | number): string | number {
  return typeof given === 'string' && /^\d+$/.test(given) ? Number(given) : given
}

function mainGroup(user: string | number): number {
  return Number(
    execFileSync('id', ['-g', String(user)], { encoding: 'utf8', stdio: ['ignore', 'pipe', 'ignore'] }),
  )
}

/** Numbers in settings are meant as they are; text is octal, with or without `0o`. */
function octal(umask: string | number): number {
  if (typeof umask === 'number') return umask
  const digits = /^(?:0o)?(?<digits>[0-7]{1,4})$/.exec(umask)?.groups?.['digits']
  if (digits === undefined) {
    throw new CommandFailure(`--umask ${umask} is no octal number such as 022.`, exitCodes.usage)
  }
  return Number.parseInt(digits, 8)
}
