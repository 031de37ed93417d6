/**
 * A file that says which process is the worker of that name (WORK-10; celery/platforms.py `Pidfile` 5.7): made exclusively, mode 644, content
 * `<pid>\n`.
 *
 *   absent ─► made        stale, or broken ─► replaced, with a word about it        the process lives ─► refused, exit code 73
 */
import { closeSync, fsyncSync, openSync, readFileSync, rmSync, writeSync } from 'node:fs'
import { resolve } from 'node:path'
import { CommandFailure, exitCodes } from '../exit-codes.ts'

export class PidFile implements Disposable {
  readonly path: string

  private constructor(path: string) {
    this.path = path
  }

  /** Throws `CommandFailure` (73) when a process that lives has it, or it cannot be written. `say` hears of a file that was replaced. */
  static acquire(path: string, say: (text: string) => void): PidFile {
    const full = resolve(path)
    // Twice: the one that is stale goes, and another process may be as fast as we are.
    for (let attempt = 1; ; attempt++) {
      try {
        write(full)
        return new PidFile(full)
      } catch (error) {
        if ((error as NodeJS.ErrnoException).code !== 'EEXIST' || attempt === 3) throw cannot(full, error)
      }
      const held = holder(full)
      if (typeof held === 'number') {
        throw new CommandFailure(
          `The pid file ${full} exists already. Seems we're already running? (pid: ${held})`,
          exitCodes.cannotCreate,
        )
      }
      say(held === 'stale' ? `Stale pid file ${full} replaced.` : `Broken pid file ${full} replaced.`)
      try {
        rmSync(full, { force: true })
      } catch (error) {
        throw cannot(full, error)
      }
    }
  }

  /** Removes it, unless another process has taken it meanwhile. */
  release(): void {
    try {
      if (readPid(this.path) === process.pid) rmSync(this.path, { force: true })
    } catch {
      // Somebody else's by now.
    }
  }

  [Symbol.dispose](): void {
    this.release()
  }
}

/** The pid in the file; undefined when there is none. Throws when it holds something else. */
export function readPid(path: string): number | undefined {
  let text: string
  try {
    text = readFileSync(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
  if (!/^\s*\d+\s*\n/.test(text)) throw new Error(`The pid file ${path} is incomplete or holds no number.`)
  return Number.parseInt(text, 10)
}

/** Who has it: a process that lives, nobody any more, or nobody can say. */
function holder(path: string): number | 'stale' | 'broken' {
  let pid: number | undefined
  try {
    pid = readPid(path)
  } catch {
    return 'broken'
  }
  // Our own number from a life before: in a container it is 1 each time.
  if (pid === undefined || pid === 0 || pid === process.pid) return 'stale'
  return isAlive(pid) ? pid : 'stale'
}

/** Celery takes a process that we may not signal for another one that got the number by chance. */
export function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch {
    return false
  }
}

function write(path: string): void {
  const fd = openSync(path, 'wx', 0o644)
  try {
    writeSync(fd, `${process.pid}\n`)
    fsyncSync(fd)
  } finally {
    closeSync(fd)
  }
}

function cannot(path: string, error: unknown): CommandFailure {
  const why = error instanceof Error ? error.message : String(error)
  return new CommandFailure(`The pid file ${path} cannot be written: ${why}`, exitCodes.cannotCreate, {
    cause: error,
  })
}
