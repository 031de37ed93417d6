/**
 * A log that others may rotate (Python's `WatchedFileHandler`, which Celery uses): when the file was moved away or deleted, the next line
 * goes into a new one of the old name. No signal is needed.
 */
import { closeSync, fstatSync, openSync, statSync, writeSync } from 'node:fs'
import { CommandFailure, exitCodes } from '../exit-codes.ts'

/** Between two looks at whether it is still the file of that name. */
const lookEveryMs = 1_000

export class LogFile implements Disposable {
  readonly path: string
  readonly #now: () => number
  #fd: number
  #lookedAt: number
  #complain: ((text: string) => void) | undefined

  /** At once: a worker that nobody can hear must not start. Throws `CommandFailure`. */
  constructor(path: string, complain: (text: string) => void, now: () => number = Date.now) {
    this.path = path
    this.#complain = complain
    this.#now = now
    try {
      this.#fd = openSync(path, 'a')
    } catch (error) {
      throw new CommandFailure(`The log ${path} cannot be written: ${textOf(error)}`, exitCodes.error, {
        cause: error,
      })
    }
    this.#lookedAt = now()
  }

  /** The file that is open now, for child processes to write to. */
  get fd(): number {
    return this.#fd
  }

  /** Never throws: what cannot be written is lost, and said once. */
  write(text: string): void {
    if (this.#fd < 0) return
    try {
      if (this.#now() - this.#lookedAt >= lookEveryMs) this.reopen()
      writeSync(this.#fd, text)
    } catch (error) {
      this.#complain?.(`The log ${this.path} cannot be written: ${textOf(error)}`)
      this.#complain = undefined
    }
  }

  /** Opens the file of that name anew if it is another one by now. */
  reopen(): void {
    this.#lookedAt = this.#now()
    const open = fstatSync(this.#fd)
    const there = statSync(this.path, { throwIfNoEntry: false })
    if (there?.ino === open.ino && there.dev === open.dev) return
    const fd = openSync(this.path, 'a')
    closeSync(this.#fd)
    this.#fd = fd
  }

  [Symbol.dispose](): void {
    if (this.#fd >= 0) closeSync(this.#fd)
    this.#fd = -1
  }
}

function textOf(error: unknown): string {
  return error instanceof Error ? error.message : String(error)
}
