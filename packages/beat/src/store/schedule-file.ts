/**
 * The file of a schedule: a log of changes, written so that a crash at any moment leaves what was saved.
 *
 *   open ── read all lines ──► state in memory ── save: one line appended, then synced ──► …
 *              │ a torn end: told, left out                            │ grown to twice of what it holds
 *              │ a damaged line: told, left out, kept                  ▼
 *              │ its beginning is lost: told, moved aside   written anew beside it, synced, renamed over it
 *              │ by the first save
 *              └─ another program's, or a text: refused
 *
 * Reading changes nothing, and needs no lock.
 */
import { Buffer, isUtf8 } from 'node:buffer'
import { constants } from 'node:fs'
import { mkdir, open, readFile, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import {
  BackendError,
  BackendUnavailableError,
  ConfigurationError,
  type ScheduleChanges,
  type ScheduleContents,
  type ScheduleSaved,
} from '@ct/contracts'
import { fileHeader, foreignProgram, readLine, writeLine, type FileChange } from './entry-record.ts'
import { FileLock } from './file-lock.ts'
import { ScheduleState } from './schedule-state.ts'

/** Below it the file is never written anew: appending is cheap. */
const smallBytes = 1024 * 1024

export class ScheduleFile {
  readonly path: string
  #state = new ScheduleState()
  readonly #warn: (message: string) => void
  // One write after the other.
  #writing: Promise<unknown> = Promise.resolve()
  #handle: FileHandle | undefined
  #lock: FileLock | undefined
  /** End of the last whole line. */
  #length = 0
  #compactAt = smallBytes
  #tornTail = false
  /** The last line is whole, but for its end. */
  #unended = false
  #mustRewrite = false
  /** Where what cannot be read at all goes, when we write. */
  #aside: string | undefined
  /** What the file was when it was read; others may write until the lock is ours. */
  #readAs = ''

  private constructor(path: string, warn: (message: string) => void) {
    this.path = path
    this.#warn = warn
  }

  /** Reads; writes nothing. Errors: `CT_CONFIGURATION` for a file of another program, `CT_BACKEND_UNAVAILABLE` when it cannot be read. */
  static async open(path: string, warn: (message: string) => void): Promise<ScheduleFile> {
    const file = new ScheduleFile(path, warn)
    await file.#read()
    return file
  }

  async #read(): Promise<void> {
    this.#readAs = await stateOf(this.path)
    let bytes: Buffer
    try {
      bytes = await readFile(this.path)
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') {
        this.#mustRewrite = true
        return
      }
      throw this.#failed('read', error)
    }
    const program = foreignProgram(bytes)
    if (program !== undefined)
      throw new ConfigurationError(
        `${this.path} is a file of ${program}, and not a schedule of ct. Give ct a file of its own (-s, beatScheduleFilename).`,
        { details: { file: this.path } },
      )
    const lines = linesOf(bytes)
    if (lines.length < 2 || lines[0]!.toString('utf8') !== fileHeader) {
      // `-s package.json` is a slip, and no schedule that a crash has damaged.
      if (isTextOfOthers(bytes, lines))
        throw new ConfigurationError(
          `${this.path} is a text that is not a schedule of ct; it was left as it is. Give ct a file of its own (-s, beatScheduleFilename), or remove this one.`,
          { details: { file: this.path } },
        )
      this.#mustRewrite = true
      if (bytes.length === 0) return
      // BEAT-22: never deleted, since somebody may need it; and not touched by who only looks.
      this.#aside = `${this.path}.broken-${new Date().toISOString().replaceAll(/[:.]/g, '-')}`
      this.#warn(
        `${this.path} cannot be read as a schedule: its first line is damaged. Beat begins a new one, and moves this one to ${this.#aside} when it first saves.`,
      )
      return
    }
    const tail = lines.pop()!
    let damaged = 0
    lines.slice(1).forEach((line, index) => {
      if (!this.#state.readLine(line, index + 2)) damaged++
    })
    this.#readTail(bytes, tail, lines.length + 1)
    if (damaged > 0)
      this.#warn(
        `${damaged} of ${lines.length} lines of the schedule file ${this.path} are damaged and left out; they are kept in the file, as "damaged line …", until somebody removes them. Entries of the configuration come back by themselves and count their runs anew; those made at run time may be missing.`,
      )
  }

  #readTail(bytes: Buffer, tail: Buffer, number: number): void {
    this.#length = bytes.length
    if (tail.length === 0) return
    // An editor, or a crash before the very last byte.
    this.#unended = typeof readLine(tail.toString('utf8')) !== 'string'
    if (this.#unended) {
      this.#state.readLine(tail, number)
      return
    }
    this.#length -= tail.length
    this.#tornTail = true
    this.#warn(
      `The last line of the schedule file ${this.path} was torn, as by a crash in the middle of a write. It is left out: what it said was not saved yet.`,
    )
  }

  load(names?: readonly string[]): ScheduleContents {
    return this.#state.contents(names)
  }

  changes(since: string): ScheduleChanges | undefined {
    return this.#state.changes(since)
  }

  /** Until the lock is ours others write: what they wrote counts, and we go on behind it. */
  async #take(): Promise<FileLock> {
    const lock = await FileLock.take(this.path)
    try {
      if ((await stateOf(this.path)) !== this.#readAs) await this.#readAgain()
      return lock
    } catch (error) {
      await lock.release()
      throw error
    }
  }

  async #readAgain(): Promise<void> {
    this.#state = new ScheduleState()
    this.#length = 0
    this.#tornTail = false
    this.#unended = false
    this.#aside = undefined
    this.#mustRewrite = false
    await this.#read()
  }

  /** Errors: `CT_BACKEND` while another process has the file, `CT_LEASE_LOST`, `CT_BACKEND_UNAVAILABLE` when it cannot be written. */
  save(change: FileChange): Promise<ScheduleSaved> {
    const saving = this.#writing.then(() => this.#save(change))
    this.#writing = saving.catch(() => undefined)
    return saving
  }

  async #save(change: FileChange): Promise<ScheduleSaved> {
    const line = writeLine(change)
    try {
      if (this.#lock === undefined) {
        await mkdir(dirname(this.path), { recursive: true })
        this.#lock = await this.#take()
      }
      await this.#lock.assertOurs()
      if (this.#aside !== undefined) await rename(this.path, this.#aside)
      this.#aside = undefined
      if (this.#mustRewrite) await this.#rewrite()
      const handle = (this.#handle ??= await open(this.path, constants.O_RDWR))
      // What is left of a write that failed must not run into this one.
      if (this.#tornTail) await handle.truncate(this.#length)
      this.#tornTail = true
      const bytes = Buffer.from(this.#unended ? `\n${line}` : line)
      await handle.write(bytes, 0, bytes.length, this.#length)
      await handle.datasync()
      this.#tornTail = false
      this.#unended = false
      this.#length += bytes.length
    } catch (error) {
      throw this.#failed('write', error)
    }
    const saved = this.#state.apply(change, line)
    // Saved it is; that the file could not be made smaller is told when it cannot be written at all.
    if (this.#length >= this.#compactAt) await this.#rewrite().catch(() => (this.#compactAt *= 2))
    return saved
  }

  /** All that it holds, as a new file in the place of the old one. */
  async #rewrite(): Promise<void> {
    const temporary = `${this.path}.tmp`
    const lines = [`${fileHeader}\n`, ...this.#state.lines()]
    const bytes = Buffer.from(lines.join(''))
    const fresh = await open(temporary, 'w')
    try {
      await fresh.writeFile(bytes)
      await fresh.sync()
    } catch (error) {
      await fresh.close()
      await rm(temporary, { force: true })
      throw error
    }
    await fresh.close()
    await rename(temporary, this.path)
    await syncFolder(dirname(this.path))
    await this.#handle?.close()
    this.#handle = undefined
    this.#length = bytes.length
    this.#tornTail = false
    this.#unended = false
    this.#mustRewrite = false
    this.#compactAt = Math.max(smallBytes, 2 * bytes.length)
  }

  async close(): Promise<void> {
    await this.#writing
    await this.#handle?.close().catch(() => undefined)
    this.#handle = undefined
    await this.#lock?.release().catch(() => undefined)
    this.#lock = undefined
  }

  #failed(what: string, error: unknown): Error {
    const code = (error as NodeJS.ErrnoException).code
    if (code?.startsWith('CT_') === true) return error as Error
    const message = `The schedule file ${this.path} could not be ${what === 'read' ? 'read' : what === 'write' ? 'written' : 'moved aside'}: ${error instanceof Error ? error.message : String(error)}.`
    // A full disk or a share that is away may come back; rights and folders in the way do not.
    const mends =
      code === 'ENOSPC' || code === 'EIO' || code === 'ESTALE' || code === 'EMFILE' || code === 'EDQUOT'
    return mends
      ? new BackendUnavailableError(message, { cause: error, details: { file: this.path } })
      : new BackendError(`${message} Give beat a file that it may write (-s, beatScheduleFilename).`, {
          cause: error,
          details: { file: this.path },
        })
  }
}

/** A rename is on the disk when its folder is. Not every system lets one sync folders. */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r')
    await folder.sync().finally(() => folder.close())
  } catch {
    // As far as it goes.
  }
}

/** Differs when somebody has written. */
async function stateOf(path: string): Promise<string> {
  const found = await stat(path, { bigint: true }).catch(() => undefined)
  return found === undefined ? 'none' : `${found.ino} ${found.size} ${found.mtimeNs}`
}

const newline = 0x0a

/** Without their ends; the last one is what follows the last end. */
function linesOf(bytes: Buffer): Buffer[] {
  const lines: Buffer[] = []
  let from = 0
  for (let at = bytes.indexOf(newline); at !== -1; at = bytes.indexOf(newline, from)) {
    lines.push(bytes.subarray(from, at))
    from = at + 1
  }
  lines.push(bytes.subarray(from))
  return lines
}

/** What a crash leaves of a schedule has zeros in it, or whole lines, or a part of the first one. */
function isTextOfOthers(bytes: Buffer, lines: readonly Buffer[]): boolean {
  if (!isUtf8(bytes) || bytes.includes(0) || fileHeader.startsWith(bytes.toString())) return false
  return lines.every((line) => typeof readLine(line.toString('utf8')) === 'string')
}
