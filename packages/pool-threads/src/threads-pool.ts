import { existsSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { MessageChannel, Worker, type ResourceLimits } from 'node:worker_threads'
import { ConfigurationError, type Pool, type PoolCapabilities } from '@ct/contracts'
import {
  defineSlotPool,
  type OpenSlotOptions,
  type SlotChannel,
  type SlotExit,
  type ToSlot,
} from '@ct/contracts/pool-kit'
import type { ThreadData } from './thread-data.ts'

export interface ThreadsPoolOptions {
  /** Limits of each thread's heap, of Node's `Worker`: a task that passes them is lost, and no other. Default: Node's. */
  readonly resourceLimits?: ResourceLimits
}

const capabilities: PoolCapabilities = {
  implementation: 'celery.concurrency.thread:TaskPool',
  sharesMemory: false,
  canKill: true,
  isolatesCpu: true,
  resizable: true,
}

/**
 * Runs each task in a thread of its own kind: `worker_threads` with their own event loop, modules and memory. A thread can be ended at any
 * moment (`terminate()`), so that hard time limits and `revoke(terminate)` work; what ends the whole process (`process.abort()`, a crash
 * of native code) ends the worker too: for that there is `@ct/pool-processes`.
 *
 * @example
 * const worker = app.worker({ pool: threadsPool(), concurrency: 4, modules: [new URL('./tasks.ts', import.meta.url)] })
 */
export function threadsPool(options: ThreadsPoolOptions = {}): Pool {
  return defineSlotPool({
    name: 'threads',
    packageName: '@ct/pool-threads',
    capabilities,
    transport: { open: (slot) => new ThreadChannel(slot, options) },
    info: ({ size, running, waiting }) => ({
      threads: size,
      'running-jobs': running,
      'waiting-jobs': waiting,
    }),
  })
}

class ThreadChannel implements SlotChannel {
  readonly pid: number = process.pid
  readonly holdsPart = false
  readonly #thread: Worker
  readonly #port: MessageChannel['port1']
  readonly #calls: MessageChannel['port1']
  readonly #onFrames: (frames: unknown) => void
  #portClosed = false
  #exit: SlotExit | undefined
  #error: Error | undefined

  constructor(
    { onFrames, onCall, onExit, maxMemoryPerChildKb }: OpenSlotOptions,
    options: ThreadsPoolOptions,
  ) {
    const { port1, port2 } = new MessageChannel()
    const calls = new MessageChannel()
    const data: ThreadData = {
      port: port2,
      calls: calls.port2,
      measuresMemory: maxMemoryPerChildKb !== undefined,
    }
    this.#port = port1
    this.#calls = calls.port1
    const { main, isText } = mainOfThread(threadFile())
    this.#thread = new Worker(main, {
      eval: isText,
      workerData: data,
      transferList: [port2, calls.port2],
      name: 'ct task',
      ...(options.resourceLimits === undefined ? {} : { resourceLimits: options.resourceLimits }),
    })
    const ended = (): void => {
      if (this.#exit !== undefined && this.#portClosed) onExit(this.#exit)
    }
    port1.on('message', onFrames)
    this.#onFrames = onFrames
    this.#calls.on('message', onCall)
    // After every message that was on its way.
    port1.on('close', () => {
      this.#portClosed = true
      ended()
    })
    this.#thread.on('error', (error: Error) => {
      this.#error = error
    })
    this.#thread.on('exit', (exitCode) => {
      this.#exit = exitOf(exitCode, this.#error)
      ended()
    })
  }

  listen(on: boolean): void {
    if (on) this.#port.on('message', this.#onFrames)
    else this.#port.off('message', this.#onFrames)
  }

  send(frames: readonly ToSlot[]): void {
    const bodies: ArrayBuffer[] = []
    const given = frames.map((frame) => {
      const body = frame[4]
      if (!(body instanceof Uint8Array)) return frame
      // It belongs to the worker, which may need it again (a retry): a copy of exactly its bytes changes hands.
      const copy = new Uint8Array(body)
      if (copy.byteLength > 0) bodies.push(copy.buffer)
      return frame.with(4, copy as never)
    })
    this.#port.postMessage(given, bodies)
  }

  kill(): 'ends' {
    void this.#thread.terminate()
    return 'ends'
  }
}

function exitOf(exitCode: number, error: Error | undefined): SlotExit {
  if (error === undefined) return { exitCode, signal: undefined, reason: undefined }
  const outOfMemory = (error as NodeJS.ErrnoException).code === 'ERR_WORKER_OUT_OF_MEMORY'
  return {
    exitCode: undefined,
    signal: undefined,
    reason: outOfMemory ? 'the thread ran out of memory' : `the thread died: ${error.message}`,
  }
}

/** With `--input-type`, of a program given as a text, Node starts no thread with a file either: such a thread gets a text that loads it. */
function mainOfThread(file: URL): { readonly main: URL | string; readonly isText: boolean } {
  const isText = process.execArgv.some((option) => option.startsWith('--input-type'))
  return { main: isText ? `import(${JSON.stringify(file.href)})` : file, isText }
}

/** Beside this file, in the sources and in a bundle alike. */
function threadFile(): URL {
  const here = import.meta.url
  const file = new URL(here.endsWith('.ts') ? './thread.ts' : './thread.js', here)
  if (existsSync(file)) return file
  throw new ConfigurationError(
    `The pool threads looks for ${fileURLToPath(file)}, which is not there. Leave @ct/pool-threads out of your bundle (external), or make "@ct/pool-threads/thread" an entry of it called "thread".`,
  )
}
