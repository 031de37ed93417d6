/**
 * What a worker remembers across restarts: revoked ids and stamps, and its logical clock (`--statedb`, `workerStateDb`; celery/worker/state.py 5.7,
 * Persistent). Celery's file is Python's own; ct's is JSON:
 *
 *   {"format":"ct-worker-state","version":1,"clock":123,"revoked":["<oldest id>", …, "<newest id>"],"stamps":[["<name>",[<value>, …]], …]}
 *
 * It is written within a second of a change and at the end, each time as a new file that takes the place of the old one when it is on
 * the disk: a crash at any moment leaves one of the two. As in Celery 5.7 the ids live their full time again from the start.
 */
import { open, readFile, rename, rm } from 'node:fs/promises'
import { dirname } from 'node:path'
import type { Logger } from '@ct/client'
import { ConfigurationError } from '@ct/contracts'
import type { LimitedSet, RevokedStamps } from './request/index.ts'

const format = 'ct-worker-state'
const intervalMs = 1000

export interface StateFileOptions {
  readonly path: string
  readonly revoked: LimitedSet
  readonly stamps: RevokedStamps
  readonly clock: { readonly value: number; adjust(other: number): number }
  readonly logger: () => Pick<Logger, 'warn'>
}

export class StateFile {
  readonly #options: StateFileOptions
  #timer: NodeJS.Timeout | undefined
  #saved = -1
  #saving: Promise<void> = Promise.resolve()
  #failed = false

  constructor(options: StateFileOptions) {
    this.#options = options
  }

  /**
   * Reads what is there and keeps it up to date from now on. A file of ours that is damaged is set aside. Throws `CT_CONFIGURATION`
   * for a file that is somebody else's, or cannot be read.
   */
  async open(): Promise<void> {
    const { path, revoked, stamps, clock } = this.#options
    const text = await this.#read()
    if (text !== undefined) {
      const saved = parse(text)
      if (saved !== undefined) {
        for (const id of saved.revoked) revoked.add(id)
        stamps.restore(saved.stamps)
        clock.adjust(saved.clock)
      } else if (text.includes(format)) {
        const aside = `${path}.damaged-${Date.now()}`
        await rename(path, aside)
        this.#options.logger().warn(`The state in ${path} is damaged. It was set aside as ${aside}.`)
      } else {
        throw new ConfigurationError(
          `${path} is no state file of ct: it is left as it is. Give the worker a file of its own (--statedb, workerStateDb).`,
        )
      }
    }
    // Now rather than at the first revoke: whoever may not write here learns it at the start.
    await this.#save(true)
    this.#timer = setInterval(() => void this.#save(false), intervalMs)
    this.#timer.unref()
  }

  /** Writes a last time. Never rejects. */
  async close(): Promise<void> {
    if (this.#timer === undefined) return
    clearInterval(this.#timer)
    this.#timer = undefined
    this.#saved = -1
    await this.#save(false)
  }

  async #read(): Promise<string | undefined> {
    const { path } = this.#options
    try {
      return await readFile(path, 'utf8')
    } catch (error) {
      if ((error as NodeJS.ErrnoException).code === 'ENOENT') return undefined
      throw new ConfigurationError(`The state file ${path} cannot be read.`, { cause: error })
    }
  }

  #save(first: boolean): Promise<void> {
    this.#saving = this.#saving.then(async () => {
      const { path, revoked, stamps, logger } = this.#options
      const changes = revoked.changes + stamps.changes
      if (this.#saved === changes) return
      try {
        await this.#write()
        this.#saved = changes
        this.#failed = false
      } catch (error) {
        if (first) throw new ConfigurationError(`The state file ${path} cannot be written.`, { cause: error })
        // Once, not every second.
        if (!this.#failed) logger().warn(`The state file ${path} cannot be written.`, { error })
        this.#failed = true
      }
    })
    const saving = this.#saving
    this.#saving = saving.catch(() => undefined)
    return saving
  }

  async #write(): Promise<void> {
    const { path, revoked, stamps, clock } = this.#options
    const text = JSON.stringify({
      format,
      version: 1,
      clock: clock.value,
      revoked: revoked.ids(),
      stamps: stamps.entries(),
    })
    const next = `${path}.${process.pid}.new`
    try {
      const file = await open(next, 'w', 0o600)
      try {
        await file.writeFile(`${text}\n`)
        await file.sync()
      } finally {
        await file.close()
      }
      await rename(next, path)
    } catch (error) {
      await rm(next, { force: true })
      throw error
    }
    await syncFolder(dirname(path))
  }
}

/** So that the renaming itself survives a power cut; where folders cannot be synced, it need not be done. */
async function syncFolder(path: string): Promise<void> {
  try {
    const folder = await open(path, 'r')
    try {
      await folder.sync()
    } finally {
      await folder.close()
    }
  } catch {
    // Windows has no such thing.
  }
}

interface Saved {
  readonly clock: number
  readonly revoked: readonly string[]
  readonly stamps: readonly unknown[]
}

function parse(text: string): Saved | undefined {
  try {
    const saved = JSON.parse(text) as Readonly<Record<string, unknown>> | null
    const { format: found, version, clock, revoked, stamps } = saved ?? {}
    if (found !== format || version !== 1 || typeof clock !== 'number' || !Array.isArray(revoked))
      return undefined
    // Files of earlier releases have none.
    return {
      clock,
      revoked: revoked.filter((id) => typeof id === 'string'),
      stamps: Array.isArray(stamps) ? stamps : [],
    }
  } catch {
    return undefined
  }
}
