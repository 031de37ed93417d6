/**
 * The file of a schedule: a log of changes, written so that a crash at any moment leaves what was saved.
 *
 *   open ── read all lines ──► state in memory ── save: one line appended, then synced ──► …
 *              │ a torn or damaged line: told, left out                │ grown to twice of what it holds
 *              │ not a file of ours: moved aside, told                 ▼
 *              └─ another program's, or a text: refused     written anew beside it, synced, renamed over it
 */
import { isUtf8 } from 'node:buffer'
import { constants } from 'node:fs'
import { mkdir, open, readFile, rename, rm, stat, type FileHandle } from 'node:fs/promises'
import { dirname } from 'node:path'
import {
  BackendError,
  BackendUnavailableError,
  ConfigurationError,
  type ScheduleRun,
  type StoredScheduleEntry,
} from '@ct/contracts'
import {
  fileHeader,
  foreignProgram,
  readEntryRecord,
  readLine,
  writeLine,
  type FileChange,
} from './entry-record.ts'
import { FileLock } from './file-lock.ts'

/** Below it the file is never written anew: appending is cheap. */
const smallBytes = 1024 * 1024
/** Entries in one line of a file that was written anew. */
const perLine = 1000

export class ScheduleFile {
  readonly path: string
  readonly entries = new Map<string, StoredScheduleEntry>()
  readonly broken = new Map<string, string>()
  readonly #warn: (message: string) => void
  // One write after the other.
  #writing: Promise<unknown> = Promise.resolve()
  #handle: FileHandle | undefined
  #lock: FileLock | undefined
  /** End of the last whole line. */
  #length = 0
  #compactAt = smallBytes
  #tornTail = false
  #mustRewrite = false
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
    const lines = bytes.toString('utf8').split('\n')
    const tail = lines.pop()
    if (lines[0] !== fileHeader) {
      // `-s package.json` is a slip, and no schedule that a crash has damaged.
      if (isTextOfOthers(bytes, lines))
        throw new ConfigurationError(
          `${this.path} is a text that is not a schedule of ct; it was left as it is. Give ct a file of its own (-s, beatScheduleFilename), or remove this one.`,
          { details: { file: this.path } },
        )
      await this.#moveAside(bytes.length)
      return
    }
    let damaged = 0
    for (const line of lines.slice(1)) {
      const change = safely(() => readLine(line))
      if (change === undefined) damaged++
      else this.#apply(change)
    }
    this.#length = bytes.length - Buffer.byteLength(tail ?? '')
    this.#tornTail = tail !== ''
    if (this.#tornTail)
      this.#warn(
        `The last line of the schedule file ${this.path} was torn, as by a crash in the middle of a write. It is left out: what it said was not saved yet.`,
      )
    if (damaged === 0) return
    this.#mustRewrite = true
    this.#warn(
      `${damaged} of ${lines.length - 1} lines of the schedule file ${this.path} are damaged and left out. Entries of the configuration come back by themselves and count their runs anew; those made at run time may be missing.`,
    )
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
    this.entries.clear()
    this.broken.clear()
    this.#length = 0
    this.#tornTail = false
    this.#mustRewrite = false
    await this.#read()
  }

  /** BEAT-22: never deleted, since somebody may need it. */
  async #moveAside(length: number): Promise<void> {
    this.#mustRewrite = true
    if (length === 0) return
    const aside = `${this.path}.broken-${new Date().toISOString().replaceAll(/[:.]/g, '-')}`
    try {
      await rename(this.path, aside)
    } catch (error) {
      throw this.#failed('move aside', error)
    }
    this.#warn(
      `${this.path} cannot be read as a schedule: its first line is damaged. It was moved to ${aside}, and a new one is begun.`,
    )
  }

  #apply(change: Readonly<Record<string, unknown>>): void {
    const { put, remove, runs } = change
    for (const record of Array.isArray(put) ? (put as readonly unknown[]) : []) {
      const entry = readEntryRecord(record)
      const name = (record as { readonly name?: unknown } | null)?.name
      if (typeof entry === 'string') {
        const label = typeof name === 'string' ? name : '?'
        this.entries.delete(label)
        this.broken.set(label, entry)
      } else {
        this.broken.delete(entry.name)
        this.#put(entry)
      }
    }
    for (const name of Array.isArray(remove) ? (remove as readonly string[]) : []) {
      this.entries.delete(name)
      this.broken.delete(name)
    }
    for (const run of Array.isArray(runs) ? (runs as readonly ScheduleRun[]) : []) {
      const entry = this.entries.get(run.name)
      if (entry !== undefined && typeof run.lastRunAt === 'number' && typeof run.totalRunCount === 'number')
        this.entries.set(run.name, { ...entry, lastRunAt: run.lastRunAt, totalRunCount: run.totalRunCount })
    }
  }

  #put(entry: StoredScheduleEntry): void {
    const before = this.entries.get(entry.name)
    const keeps = before !== undefined && entry.lastRunAt === undefined
    const { lastRunAt, totalRunCount } = keeps ? before : entry
    this.entries.set(entry.name, { ...entry, lastRunAt, totalRunCount })
  }

  /** Errors: `CT_BACKEND` while another process has the file, `CT_LEASE_LOST`, `CT_BACKEND_UNAVAILABLE` when it cannot be written. */
  save(change: FileChange): Promise<void> {
    const saving = this.#writing.then(() => this.#save(change))
    this.#writing = saving.catch(() => undefined)
    return saving
  }

  async #save(change: FileChange): Promise<void> {
    const line = writeLine(change)
    try {
      if (this.#lock === undefined) {
        await mkdir(dirname(this.path), { recursive: true })
        this.#lock = await this.#take()
      }
      await this.#lock.assertOurs()
      if (this.#mustRewrite) await this.#rewrite()
      const handle = (this.#handle ??= await open(this.path, constants.O_RDWR))
      // What is left of a write that failed must not run into this one.
      if (this.#tornTail) await handle.truncate(this.#length)
      this.#tornTail = true
      const bytes = Buffer.from(line)
      await handle.write(bytes, 0, bytes.length, this.#length)
      await handle.datasync()
      this.#tornTail = false
      this.#length += bytes.length
    } catch (error) {
      throw this.#failed('write', error)
    }
    this.#apply(JSON.parse(JSON.stringify(change)) as Readonly<Record<string, unknown>>)
    if (this.#length < this.#compactAt) return
    // Saved it is; that the file could not be made smaller is told when it cannot be written at all.
    await this.#rewrite().catch(() => (this.#compactAt *= 2))
  }

  /** All that it holds, as a new file in the place of the old one. */
  async #rewrite(): Promise<void> {
    const temporary = `${this.path}.tmp`
    const all = [...this.entries.values()]
    const lines = [`${fileHeader}\n`]
    for (let at = 0; at < all.length; at += perLine)
      lines.push(writeLine({ put: all.slice(at, at + perLine) }))
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

/** What a crash leaves of a schedule has zeros in it, or whole lines, or a part of the first one. */
function isTextOfOthers(bytes: Buffer, lines: readonly string[]): boolean {
  if (!isUtf8(bytes) || bytes.includes(0) || fileHeader.startsWith(bytes.toString())) return false
  return !lines.some((line) => safely(() => readLine(line)) !== undefined)
}

function safely<T>(read: () => T): T | undefined {
  try {
    return read()
  } catch {
    return undefined
  }
}
