/**
 * Says whose a file is: `<file>.lock` names the process, which touches it every few seconds. A lock that nobody has touched for a while, or whose
 * process on this machine has ended, is anybody's. It holds between machines that share a folder, as far as their clocks agree.
 *
 *   no lock ── link() succeeds ──► ours ── release(): removed ──► no lock
 *   lock of a dead one ── claim, look again, rename() over it ──► ours
 *                           │ the claim is somebody's who lives, or the lock is another one by now: from the beginning
 *
 * Who follows a dead owner is settled by a second file, the claim, whose name is made of that owner's lock: of many that find it dead, one has the
 * claim, and it puts its own lock in the old one's place in one step. So the lock never is away in between, and no live lock is ever moved. A claim
 * whose maker died is followed in the same way. What remains is a process that is stopped right between its look and its step, for longer than a
 * lock holds: whoever finds another one's name in the lock, and each write looks, writes nothing.
 */
import { createHash, randomUUID } from 'node:crypto'
import { link, readFile, rename, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { setTimeout as sleep } from 'node:timers/promises'
import { hostname } from 'node:os'
import { BackendError, LeaseLostError } from '@ct/contracts'

const touchMs = 5_000
export const staleMs = 20_000
/** Others need so long, at most, for what they have begun. */
const pauseMs = 20
const mostTries = 20

interface Owner {
  readonly host: string
  readonly pid: number
  readonly id: string
}

export class FileLock {
  readonly #path: string
  readonly #owner: Owner
  #timer: NodeJS.Timeout | undefined
  #lost = false

  private constructor(path: string) {
    this.#path = path
    this.#owner = { host: hostname(), pid: process.pid, id: randomUUID() }
    living.add(this.#owner.id)
  }

  /** Error: `CT_BACKEND` while somebody else has it. */
  static async take(file: string): Promise<FileLock> {
    const lock = new FileLock(`${file}.lock`)
    try {
      return await lock.#take(file)
    } catch (error) {
      living.delete(lock.#owner.id)
      throw error
    }
  }

  async #take(file: string): Promise<this> {
    for (let tries = 0; tries < mostTries; tries++) {
      if (tries > 0) await sleep(pauseMs)
      if (await this.#place(this.#path)) return this.#taken()
      const seen = await contentOf(this.#path)
      if (seen === undefined) continue
      const owner = readOwner(seen)
      if (owner !== undefined && !(await this.#isStale(this.#path, owner))) {
        throw new BackendError(
          `The schedule file ${file} is in use by process ${owner.pid} on ${owner.host}. Two beats on one file would send everything twice: stop the other one, or give this one a file of its own (-s), or a store that several beats share (-S redis://…).`,
          { details: { file, pid: owner.pid, host: owner.host } },
        )
      }
      if (await this.#follow(this.#path, seen)) return this.#taken()
    }
    throw new BackendError(
      `The lock of the schedule file ${file} could not be taken: others take it all the time.`,
    )
  }

  #taken(): this {
    this.#timer = setInterval(() => void this.#touch(), touchMs)
    this.#timer.unref()
    return this
  }

  /** With its content at once: a lock without an owner is anybody's. False: there is one. */
  async #place(path: string): Promise<boolean> {
    const whole = await this.#write()
    try {
      await link(whole, path)
      return true
    } catch (error) {
      const { code } = error as NodeJS.ErrnoException
      if (code === 'EEXIST') return false
      // Some shares have no second names for a file.
      if (code !== 'EPERM' && code !== 'ENOTSUP' && code !== 'ENOSYS') throw error
      return await writeFile(path, JSON.stringify(this.#owner), { flag: 'wx' }).then(
        () => true,
        (failure: NodeJS.ErrnoException) => {
          if (failure.code === 'EEXIST') return false
          throw failure
        },
      )
    } finally {
      await rm(whole, { force: true })
    }
  }

  async #write(): Promise<string> {
    const whole = `${this.#path}.${this.#owner.id}`
    await writeFile(whole, JSON.stringify(this.#owner))
    return whole
  }

  /** Puts our name in the place of one who is dead, if `path` still says what was seen. */
  async #follow(path: string, seen: string): Promise<boolean> {
    const claim = `${path}.${createHash('sha1').update(seen).digest('hex').slice(0, 12)}`
    if (!(await this.#place(claim))) {
      const claimed = await contentOf(claim)
      if (claimed === undefined) return false
      const claimant = readOwner(claimed)
      if (claimant !== undefined && !(await this.#isStale(claim, claimant))) return false
      if (!(await this.#follow(claim, claimed))) return false
    }
    try {
      // Who had the claim before us may have done it.
      if ((await contentOf(path)) !== seen) return false
      await rename(await this.#write(), path)
      return true
    } finally {
      await rm(claim, { force: true })
    }
  }

  async #isStale(path: string, { host, pid, id }: Owner): Promise<boolean> {
    if (host === this.#owner.host && !isAlive(pid)) return true
    // Ours from an earlier life: process ids of containers begin at 1 each time.
    if (host === this.#owner.host && pid === process.pid && !living.has(id)) return true
    const { mtimeMs } = await stat(path).catch(() => ({ mtimeMs: Date.now() }))
    return Date.now() - mtimeMs > staleMs
  }

  async #touch(): Promise<void> {
    try {
      if (!(await this.#isOurs())) return
      const now = new Date()
      await utimes(this.#path, now, now)
    } catch {
      // Told when something is to be saved.
    }
  }

  async #isOurs(): Promise<boolean> {
    const owner = readOwner((await contentOf(this.#path)) ?? '')
    if (owner?.id !== this.#owner.id) this.#lost = true
    return !this.#lost
  }

  /** Before each write. Error: `CT_LEASE_LOST` when this process was suspended for so long that somebody else took the file. */
  async assertOurs(): Promise<void> {
    if (await this.#isOurs()) return
    throw new LeaseLostError('Another process has taken the schedule file by now; nothing was written to it.')
  }

  async release(): Promise<void> {
    clearInterval(this.#timer)
    try {
      if (await this.#isOurs()) await rm(this.#path, { force: true })
    } finally {
      living.delete(this.#owner.id)
    }
  }
}

/** Locks of this very process, those that are being taken included. */
const living = new Set<string>()

/** Undefined: there is no such file. */
async function contentOf(path: string): Promise<string | undefined> {
  try {
    return await readFile(path, 'utf8')
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
    throw error
  }
}

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
