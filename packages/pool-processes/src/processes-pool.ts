import { spawn, type ChildProcess } from 'node:child_process'
import { existsSync } from 'node:fs'
import { constants } from 'node:os'
import { getDefaultHighWaterMark, setDefaultHighWaterMark, type Duplex } from 'node:stream'
import { fileURLToPath } from 'node:url'
import { ConfigurationError, type Pool, type PoolCapabilities } from '@ct/contracts'
import {
  defineSlotPool,
  type OpenSlotOptions,
  type PoolFigures,
  type SlotChannel,
  type SlotExit,
  type ToSlot,
} from '@ct/contracts/pool-kit'
import { childOptions } from './child-options.ts'
import { encodeMessage, MessageReader } from './message-codec.ts'

export interface ProcessesPoolOptions {
  /**
   * Options of Node for the children. Default: those of this process. Those of the inspector, and a program given as a text (`-e`), are never theirs.
   */
  readonly execArgv?: readonly string[]
  /** Added to the environment of this process. */
  readonly env?: Readonly<Record<string, string | undefined>>
}

const capabilities: PoolCapabilities = {
  implementation: 'celery.concurrency.prefork:TaskPool',
  sharesMemory: false,
  canKill: true,
  isolatesCpu: true,
  resizable: true,
}

/**
 * Runs each task in a child process, one at a time in each: Celery's prefork. Whatever a task does, running out of memory and crashes of
 * native code included, costs no more than its own process.
 *
 * @example
 * const worker = app.worker({ pool: processesPool(), concurrency: 4, modules: [new URL('./tasks.ts', import.meta.url)] })
 */
export function processesPool(options: ProcessesPoolOptions = {}): Pool {
  return defineSlotPool({
    name: 'processes',
    packageName: '@ct/pool-processes',
    capabilities,
    transport: { open: (slot) => new ChildChannel(slot, options) },
    info: preforkInfo,
  })
}

/** As Celery's prefork shows itself (celery/concurrency/prefork.py, asynpool.py 5.7). */
function preforkInfo(figures: PoolFigures): Readonly<Record<string, unknown>> {
  const { pids, writes, waiting, running, maxTasksPerChild, timeLimits } = figures
  const total = writes.reduce((sum, count) => sum + count, 0)
  const share = (count: number): string => (total === 0 ? '0.00' : (count / total).toFixed(2))
  return {
    processes: pids,
    'max-tasks-per-child': maxTasksPerChild ?? 'N/A',
    'put-guarded-by-semaphore': false,
    timeouts: timeLimits.map((limit) => limit ?? 0),
    writes: {
      total,
      avg: share(writes.length === 0 ? 0 : total / writes.length),
      all: writes.map(share).join(', '),
      raw: writes.join(', '),
      strategy: 'fair',
      inqueues: { total: pids.length, active: waiting + running },
    },
  }
}

/** Those that mean the end. A child is deaf to them, as they may be meant for the worker's whole group; from the worker they are final. */
const endingSignals: ReadonlySet<string> = new Set([
  'SIGKILL',
  'SIGTERM',
  'SIGINT',
  'SIGQUIT',
  'SIGHUP',
  'SIGABRT',
])

class ChildChannel implements SlotChannel {
  readonly #child: ChildProcess
  readonly #pipe: Duplex
  readonly #reader: MessageReader
  #pipeClosed = false
  #exit: SlotExit | undefined
  #failure: string | undefined
  #told = false

  constructor(slot: OpenSlotOptions, options: ProcessesPoolOptions) {
    const measures = slot.maxMemoryPerChildKb === undefined ? [] : ['measures-memory']
    this.#child = withoutReadAhead(() =>
      spawn(process.execPath, [...nodeOptions(options), childFile(), ...measures], {
        stdio: ['ignore', 'inherit', 'inherit', 'pipe', 'pipe'],
        env: { ...process.env, ...options.env },
        windowsHide: true,
      }),
    )
    const [pipe, calls] = pipesOf(this.#child)
    if (pipe === undefined || calls === undefined) {
      // Node tells it later, and of what it has not made it has no pipes.
      this.#child.on('error', () => undefined)
      throw new Error('the process has no file descriptors left (EMFILE, ENFILE)')
    }
    this.#pipe = pipe
    const reader = new MessageReader(slot.onFrames)
    this.#reader = reader
    this.#pipe.on('data', (chunk: Buffer) => {
      try {
        reader.push(chunk)
      } catch (error) {
        this.#broken(error)
      }
    })
    calls.on('data', slot.onCall)
    calls.on('error', () => undefined)
    // What it was sent while it died.
    this.#pipe.on('error', () => undefined)
    const ended = (): void => {
      if (this.#told || this.#exit === undefined) return
      this.#told = true
      slot.onExit(this.#exit)
    }
    this.#pipe.on('close', () => {
      calls.destroy()
      this.#pipeClosed = true
      ended()
    })
    const exited = (exit: SlotExit): void => {
      this.#exit ??= exit
      if (this.#pipeClosed) ended()
      else {
        // Somebody it started may hold the pipe.
        const timer = setTimeout(() => this.#pipe.destroy(), slot.lostWaitMs)
        this.#pipe.once('close', () => clearTimeout(timer))
      }
    }
    this.#child.on('exit', (code, signal) => {
      exited({ exitCode: code ?? undefined, signal: describeSignal(signal), reason: this.#failure })
    })
    this.#child.on('error', (error) => {
      if (this.#child.pid === undefined) {
        exited({
          exitCode: undefined,
          signal: undefined,
          reason: `it could not be started: ${error.message}`,
        })
        this.#pipe.destroy()
      }
    })
  }

  get pid(): number {
    return this.#child.pid ?? 0
  }

  listen(on: boolean): void {
    if (on) this.#pipe.resume()
    else this.#pipe.pause()
  }

  get holdsPart(): boolean {
    return this.#reader.holdsPart
  }

  send(frames: readonly ToSlot[]): void {
    const bytes = encodeMessage(frames)
    if (this.#pipe.writable) this.#pipe.write(bytes)
  }

  kill(signal?: string): 'ends' | 'told' | 'impossible' {
    if (signal === undefined || endingSignals.has(signal)) {
      this.#child.kill('SIGKILL')
      return 'ends'
    }
    // In Celery's children this is the soft time limit; Node would open its debugger. The signal of the job has fired already.
    if (signal === 'SIGUSR1') return 'told'
    try {
      return this.#child.kill(signal as NodeJS.Signals) ? 'told' : 'impossible'
    } catch {
      return 'impossible'
    }
  }

  /** Nothing more can be read of it. */
  #broken(error: unknown): void {
    this.#failure = `it sent what cannot be read: ${error instanceof Error ? error.message : String(error)}`
    this.#child.kill('SIGKILL')
  }
}

function pipesOf({ stdio }: Partial<Pick<ChildProcess, 'stdio'>>): readonly (Duplex | undefined)[] {
  return [stdio?.[3], stdio?.[4]] as (Duplex | undefined)[]
}

/** Streams made here read no more than a chunk ahead when they are paused. */
function withoutReadAhead<T>(make: () => T): T {
  const before = getDefaultHighWaterMark(false)
  setDefaultHighWaterMark(false, 1)
  try {
    return make()
  } finally {
    setDefaultHighWaterMark(false, before)
  }
}

/** `9 (SIGKILL)`, as Celery writes it. */
function describeSignal(signal: NodeJS.Signals | null): string | undefined {
  return signal === null ? undefined : `${constants.signals[signal]} (${signal})`
}

function nodeOptions({ execArgv }: ProcessesPoolOptions): string[] {
  const options = childOptions(execArgv ?? process.execArgv)
  // In a checkout the packages are their sources.
  const sources = import.meta.url.endsWith('.ts') && !options.some((option) => option.includes('@ct/source'))
  return sources ? ['--conditions=@ct/source', ...options] : options
}

/** Beside this file, in the sources and in a bundle alike. */
function childFile(): string {
  const here = import.meta.url
  const file = fileURLToPath(new URL(here.endsWith('.ts') ? './child.ts' : './child.js', here))
  if (existsSync(file)) return file
  throw new ConfigurationError(
    `The pool processes looks for ${file}, which is not there. Leave @ct/pool-processes out of your bundle (external), or make "@ct/pool-processes/child" an entry of it called "child".`,
  )
}
