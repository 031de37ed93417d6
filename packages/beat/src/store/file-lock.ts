/**
 * Says whose a file is: `<file>.lock` names the process, which touches it every few seconds. A lock that nobody has touched for a while, or whose
 * process on this machine has ended, is anybody's. It holds between machines that share a folder, as far as their clocks agree.
 */
import { randomUUID } from 'node:crypto'
import { link, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname } from 'node:os'
import { BackendError, LeaseLostError } from '@ct/contracts'

const touchMs = 5_000
export const staleMs = 20_000

interface Owner {
  readonly host: string
  readonly pid: number
  readonly id: string
}

export class FileLock {
  readonly #path: string
  readonly #owner: Owner
  #timer: NodeJS.Timeout | undefined
  #touchedAt = 0
  #lost = false

  private constructor(path: string) {
    this.#path = path
    this.#owner = { host: hostname(), pid: process.pid, id: randomUUID() }
  }

  /** Error: `CT_BACKEND` while somebody else has it. */
  static async take(file: string): Promise<FileLock> {
    const lock = new FileLock(`${file}.lock`)
    for (let tries = 0; tries < 10; tries++) {
      if (await lock.#create()) return lock
      const before = await readFile(lock.#path, 'utf8').catch(() => undefined)
      if (before === undefined) continue
      const owner = readOwner(before)
      if (owner !== undefined && !(await lock.#isStale(owner))) {
        throw new BackendError(
          `The schedule file ${file} is in use by process ${owner.pid} on ${owner.host}. Two beats on one file would send everything twice: stop the other one, or give this one a file of its own (-s), or a store that several beats share (-S redis://…).`,
          { details: { file, pid: owner.pid, host: owner.host } },
        )
      }
      await lock.#moveAway(before)
    }
    throw new BackendError(
      `The lock of the schedule file ${file} could not be taken: others take it all the time.`,
    )
  }

  async #create(): Promise<boolean> {
    try {
      await this.#place(JSON.stringify(this.#owner))
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'EEXIST') return false
      throw error
    }
    this.#touchedAt = Date.now()
    taken.add(this.#path)
    this.#timer = setInterval(() => void this.#touch(), touchMs)
    this.#timer.unref()
    return true
  }

  /** With its content at once: a lock without an owner is anybody's. */
  async #place(content: string): Promise<void> {
    const whole = `${this.#path}.${this.#owner.id}`
    try {
      await writeFile(whole, content, { flag: 'wx' })
      await link(whole, this.#path)
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      // Some shares have no second names for a file.
      if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error
      await writeFile(this.#path, content, { flag: 'wx' })
    } finally {
      await rm(whole, { force: true })
    }
  }

  async #isStale({ host, pid }: Owner): Promise<boolean> {
    if (host === this.#owner.host && !isAlive(pid)) return true
    // Ours from an earlier life: process ids of containers begin at 1 each time.
    if (host === this.#owner.host && pid === process.pid && !taken.has(this.#path)) return true
    const { mtimeMs } = await stat(this.#path).catch(() => ({ mtimeMs: 0 }))
    return Date.now() - mtimeMs > staleMs
  }

  /** Not if somebody has taken it in the meantime. */
  async #moveAway(content: string): Promise<void> {
    const aside = `${this.#path}.${this.#owner.id}`
    try {
      await rename(this.#path, aside)
    } catch {
      return
    }
    const moved = await readFile(aside, 'utf8').catch(() => content)
    if (moved === content) await rm(aside, { force: true })
    else await rename(aside, this.#path)
  }

  async #touch(): Promise<void> {
    try {
      if (!(await this.#isOurs())) return
      const now = new Date()
      await utimes(this.#path, now, now)
      this.#touchedAt = now.getTime()
    } catch {
      // Told when something is to be saved.
    }
  }

  async #isOurs(): Promise<boolean> {
    const owner = readOwner(await readFile(this.#path, 'utf8').catch(() => ''))
    if (owner?.id !== this.#owner.id) this.#lost = true
    return !this.#lost
  }

  /** Before each write. Error: `CT_LEASE_LOST` when this process was suspended for so long that somebody else took the file. */
  async assertOurs(): Promise<void> {
    if (!this.#lost && Date.now() - this.#touchedAt > staleMs / 2) await this.#touch()
    if (!this.#lost) return
    throw new LeaseLostError('Another process has taken the schedule file by now; nothing was written to it.')
  }

  async release(): Promise<void> {
    clearInterval(this.#timer)
    taken.delete(this.#path)
    if (await this.#isOurs()) await rm(this.#path, { force: true })
  }
}

/** Locks of this very process. */
const taken = new Set<string>()

function readOwner(text: string): Owner | undefined {
  try {
    const { host, pid, id } = JSON.parse(text) as Partial<Owner>
    return typeof host === 'string' && Number.isSafeInteger(pid) && typeof id === 'string'
      ? { host, pid: pid!, id }
      : undefined
  } catch {
    return undefined
  }
}

function isAlive(pid: number): boolean {
  try {
    process.kill(pid, 0)
    return true
  } catch (error) {
    return (error as NodeJS.ErrnoException).code === 'EPERM'
  }
}
