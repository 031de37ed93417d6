/**
 * Keeps a worker busy and looks at what it keeps: heap after garbage collection, resident memory, handles, and how long tasks take from
 * send to result. A few tasks are always on their way, of several kinds: values, a kilobyte, failures, retries.
 */
import { fork, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { quantile } from '../statistics.ts'
import { slope } from './slope.ts'
import { soakApp, type SlotMemory } from './soak-tasks.ts'
import type { SoakAnswer, SoakQuestion } from './soak-worker.ts'

export interface SoakOptions {
  readonly pool: 'async' | 'solo' | 'threads' | 'processes'
  /** URL of a Redis that nobody else uses. */
  readonly redis: string
  /** Tasks at a time in the pool. Default 2. */
  readonly slots?: number
  /** Tasks before the first sample: caches fill, code is compiled. */
  readonly warmUp: number
  /** Samples, one after each part. */
  readonly samples: number
  /** A part ends after so many tasks, and not before so many ms. */
  readonly tasksPerSample: number
  readonly msPerSample?: number
  /** Tasks on their way at a time. Default 16. */
  readonly inFlight?: number
  /** The tasks leak on purpose, for the test of the soak. */
  readonly leak?: boolean
  readonly onSample?: (sample: SoakSample) => void
}

export interface SoakSample {
  /** Since the first sample, which comes after the warm-up. */
  readonly seconds: number
  readonly tasks: number
  /** Of the worker and of its threads or children together, after a collection. */
  readonly heapBytes: number
  readonly rssBytes: number
  readonly handles: number
  /** From send to result, in ms. */
  readonly p50: number
  readonly p95: number
  readonly p99: number
}

export interface SoakReport {
  readonly pool: string
  readonly samples: readonly SoakSample[]
  /** Growth of the heap: the median of the slopes between all pairs of samples, which one odd sample does not move. */
  readonly heapBytesPerTask: number
  readonly handlesBefore: number
  /** When the worker has stopped and the app is closed. */
  readonly handlesAfter: number
}

const compileCache = fileURLToPath(new URL('../../node_modules/.cache/compiled', import.meta.url))

export async function soak(options: SoakOptions): Promise<SoakReport> {
  const app = soakApp(options.redis)
  const { pool, slots = 2 } = options
  const worker = fork(fileURLToPath(new URL('soak-worker.ts', import.meta.url)), [pool, String(slots)], {
    execArgv: ['--expose-gc', '--conditions=@ct/source', '--no-warnings'],
    env: {
      // Most of a short run is loading TypeScript, again in each child.
      NODE_COMPILE_CACHE: compileCache,
      ...process.env,
      CT_SOAK_REDIS: options.redis,
      CT_SOAK_LEAK: options.leak === true ? '1' : '',
    },
    stdio: ['ignore', 'ignore', 'inherit', 'ipc'],
  })
  const answers = new Answers(worker)
  const within = { timeoutMs: 30_000 }
  const kinds: Readonly<Record<number, readonly [name: string, args: readonly unknown[]]>> = {
    7: ['soak.echo', ['x'.repeat(1024)]],
    8: ['soak.fail', []],
    9: ['soak.again', []],
  }
  const progress = { sent: 0 }
  const one = async (latencies: number[]): Promise<void> => {
    const kind = progress.sent++ % 10
    const at = performance.now()
    const [name, args] = kinds[kind] ?? ['soak.add', [kind, 1]]
    const result = await app.sendTask(name, { args })
    await result.get({ ...within, propagate: false })
    latencies.push(performance.now() - at)
  }
  const part = async (tasks: number, ms: number): Promise<number[]> => {
    const latencies: number[] = []
    const end = performance.now() + ms
    const until = progress.sent + tasks
    const caller = async (): Promise<void> => {
      while (progress.sent < until || performance.now() < end) await one(latencies)
    }
    await Promise.all(Array.from({ length: options.inFlight ?? 16 }, caller))
    return latencies
  }
  try {
    await answers.wait('ready')
    let latencies = await part(options.warmUp, 0)
    const started = performance.now()
    const before = progress.sent
    const samples: SoakSample[] = []
    for (let n = 0; n <= options.samples; n++) {
      if (n > 0) latencies = await part(options.tasksPerSample, options.msPerSample ?? 0)
      const heaps = new Map<string, number>()
      if (pool === 'threads' || pool === 'processes') {
        // A slot that is left out would look like memory that was given back.
        for (let ms = 20; heaps.size < slots && ms < 1000; ms *= 2) {
          const asked = await Promise.all(
            Array.from({ length: slots }, () => app.sendTask('soak.memory', { args: [ms] })),
          )
          for (const result of asked) {
            const { slot, heapBytes } = (await result.get(within)) as SlotMemory
            heaps.set(slot, heapBytes)
          }
        }
      }
      const { heapBytes, rssBytes, handles } = await answers.ask('sample', 'sample')
      const sample: SoakSample = {
        seconds: (performance.now() - started) / 1000,
        tasks: progress.sent - before,
        heapBytes: [...heaps.values()].reduce((sum, bytes) => sum + bytes, heapBytes),
        rssBytes,
        handles,
        p50: quantile(latencies, 0.5),
        p95: quantile(latencies, 0.95),
        p99: quantile(latencies, 0.99),
      }
      samples.push(sample)
      options.onSample?.(sample)
    }
    const closed = once(worker, 'close')
    const { handlesBefore, handlesAfter } = await answers.ask('stop', 'stopped')
    await closed
    const heapBytesPerTask = slope(samples.map(({ tasks, heapBytes }) => [tasks, heapBytes] as const))
    return { pool, samples, heapBytesPerTask, handlesBefore, handlesAfter }
  } finally {
    worker.kill('SIGKILL')
    await app.close()
  }
}

class Answers {
  readonly #worker: ChildProcess

  constructor(worker: ChildProcess) {
    this.#worker = worker
  }

  async ask<K extends SoakAnswer['kind']>(
    question: SoakQuestion,
    kind: K,
  ): Promise<SoakAnswer & { kind: K }> {
    const answer = this.wait(kind)
    this.#worker.send(question)
    return await answer
  }

  wait<K extends SoakAnswer['kind']>(kind: K): Promise<SoakAnswer & { kind: K }> {
    return new Promise((resolve, reject) => {
      const ended = (code: number | null): void => {
        this.#worker.off('message', hear)
        reject(new Error(`The worker ended with ${code} before it said "${kind}".`))
      }
      const hear = (answer: SoakAnswer): void => {
        if (answer.kind !== kind) return
        this.#worker.off('message', hear)
        this.#worker.off('exit', ended)
        resolve(answer as SoakAnswer & { kind: K })
      }
      this.#worker.on('message', hear)
      this.#worker.once('exit', ended)
    })
  }
}
