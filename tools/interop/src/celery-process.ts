import { type ChildProcess, spawn } from 'node:child_process'
import { existsSync, readFileSync, rmSync } from 'node:fs'
import { join } from 'node:path'
import { guardedDirectory, guardProcess } from '@ct-tools/services'
import { ensurePython, type PythonApp, type PythonName, pythonEnvironment } from './python-environment.ts'

export interface CeleryProcessOptions extends PythonApp {
  version: PythonName
  /** What stands behind `celery -A interop_tasks`. */
  args: readonly string[]
}

/**
 * A `celery` command that runs until it is stopped: a worker, beat, an event monitor. It leads a process group (its pool's
 * processes are in it), works in a temporary folder, and goes with the test process, however that ends.
 */
export class CeleryProcess implements AsyncDisposable {
  readonly folder: string
  /** Resolves when it has ended. */
  readonly ended: Promise<{ code: number | null; signal: NodeJS.Signals | null }>
  readonly #child: ChildProcess
  readonly #listeners = new Set<() => void>()
  #log = ''
  #isOver = false

  constructor(python: string, { args, ...app }: CeleryProcessOptions) {
    this.folder = guardedDirectory('celery')
    const child = guardProcess(
      spawn(python, ['-m', 'celery', '-A', 'interop_tasks', ...args], {
        cwd: this.folder,
        env: pythonEnvironment(app, this.#recordFile),
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
      }),
    )
    this.#child = child
    const read = (chunk: string): void => {
      this.#log += chunk
      this.#notify()
    }
    child.stdout?.setEncoding('utf8').on('data', read)
    child.stderr?.setEncoding('utf8').on('data', read)
    this.ended = new Promise((resolve) => {
      const end = (code: number | null, signal: NodeJS.Signals | null): void => {
        this.#isOver = true
        this.#notify()
        resolve({ code, signal })
      }
      // 'exit', not 'close': pool processes that outlive a killed parent hold the pipes open.
      child.once('exit', end)
      child.once('error', (error) => {
        this.#log += String(error)
        end(127, null)
      })
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  /** All that it printed and logged. */
  get log(): string {
    return this.#log
  }

  get isRunning(): boolean {
    return !this.#isOver
  }

  /** What its tasks wrote with `record`, in order. */
  get records(): Array<Record<string, unknown>> {
    if (!existsSync(this.#recordFile)) return []
    const lines = readFileSync(this.#recordFile, 'utf8').trimEnd().split('\n')
    return lines.filter(Boolean).map((line) => JSON.parse(line) as Record<string, unknown>)
  }

  /**
   * Resolves with the match as soon as the log holds the text, also when it does already; `from` is a position in the log
   * from where to look (`log.length` before the deed, to wait for something new).
   */
  waitForLog(text: string | RegExp, timeoutMs: number = 20_000, from: number = 0): Promise<RegExpMatchArray> {
    const pattern = typeof text === 'string' ? new RegExp(text.replace(/[.*+?^${}()|[\]\\]/g, '\\$&')) : text
    return new Promise((resolve, reject) => {
      const done = (settle: () => void): void => {
        clearTimeout(timer)
        this.#listeners.delete(look)
        settle()
      }
      const give = (why: string): void =>
        done(() => reject(new Error(`celery: ${why} ${pattern} in the log:\n${this.#log.slice(-4000)}`)))
      const look = (): void => {
        const match = this.#log.slice(from).match(pattern)
        if (match) done(() => resolve(match))
        else if (this.#isOver) give('ended without')
      }
      const timer = setTimeout(() => give(`not within ${timeoutMs} ms:`), timeoutMs)
      this.#listeners.add(look)
      look()
    })
  }

  /** Sends a signal to the main process, as an operator does. */
  signal(name: NodeJS.Signals): void {
    this.#child.kill(name)
  }

  /**
   * Ends it politely (SIGTERM: warm shutdown) and resolves with its exit code.
   *
   * @throws when it has not ended after `timeoutMs` (default 30,000); it is killed then.
   */
  async stop(signal: NodeJS.Signals = 'SIGTERM', timeoutMs: number = 30_000): Promise<number | null> {
    this.#signalGroup('SIGCONT')
    this.signal(signal)
    let timer: NodeJS.Timeout | undefined
    const late = new Promise<'late'>((resolve) => {
      timer = setTimeout(resolve, timeoutMs, 'late')
    })
    const end = await Promise.race([this.ended, late])
    clearTimeout(timer)
    if (end !== 'late') {
      this.#signalGroup('SIGKILL')
      return end.code
    }
    await this.kill()
    throw new Error(`celery: still there ${timeoutMs} ms after ${signal}:\n${this.#log.slice(-4000)}`)
  }

  /** Kills it and its pool with SIGKILL, as a machine that loses power. */
  async kill(): Promise<void> {
    this.#signalGroup('SIGKILL')
    await this.ended
  }

  /** Freezes it and its pool (SIGSTOP): connections stay open, nothing moves. */
  pause(): void {
    this.#signalGroup('SIGSTOP')
  }

  resume(): void {
    this.#signalGroup('SIGCONT')
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
    rmSync(this.folder, { recursive: true, force: true })
  }

  get #recordFile(): string {
    return join(this.folder, 'record.jsonl')
  }

  #signalGroup(name: NodeJS.Signals): void {
    try {
      process.kill(-this.pid, name)
    } catch {
      // The whole group is gone already.
    }
  }

  #notify(): void {
    for (const listener of [...this.#listeners]) listener()
  }
}

/** Starts a long-running `celery` command such as `beat`; resolves when its log matches `ready`. */
export async function startCelery(
  options: CeleryProcessOptions,
  ready: string | RegExp,
): Promise<CeleryProcess> {
  const { python } = await ensurePython(options.version)
  const celery = new CeleryProcess(python, options)
  try {
    await celery.waitForLog(ready, 40_000)
    return celery
  } catch (error) {
    await celery[Symbol.asyncDispose]()
    throw error
  }
}
