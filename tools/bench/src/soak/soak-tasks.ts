/** Tasks of the soak: loaded by the worker and by its threads or children. */
import { setFlagsFromString } from 'node:v8'
import { runInNewContext } from 'node:vm'
import { threadId } from 'node:worker_threads'
import { setTimeout as sleep } from 'node:timers/promises'
import { redis } from '@ct/broker-redis'
import { createApp, type App } from '@ct/core'
import { processes } from '@ct/pool-processes'
import { threads } from '@ct/pool-threads'

/** An app for one soak; the caller has one of its own, which knows the tasks by name alone. */
export function soakApp(url: string): App {
  return createApp({
    name: 'soak',
    adapters: [redis, threads, processes],
    broker: url,
    backend: url,
    environment: {},
    // Results that are not read again must not fill the server.
    resultExpires: 60,
  })
}

export const app = soakApp(process.env['CT_SOAK_REDIS'] ?? 'redis://localhost:1')

/** Memory of one slot: a thread or a child has a heap of its own. */
export interface SlotMemory {
  readonly slot: string
  readonly heapBytes: number
}

/** The heap in use when all garbage is gone. */
export function heapAfterCollection(): number {
  setFlagsFromString('--expose-gc')
  const collect = runInNewContext('gc') as () => void
  // What finalizers free is gone after the second.
  collect()
  collect()
  return process.memoryUsage().heapUsed
}

const leaks = process.env['CT_SOAK_LEAK'] === '1'
const leaked: unknown[] = []

app.task('soak.add', (x: number, y: number) => {
  // For the test of the soak itself: a program that keeps 2 KiB of every task must be found out.
  if (leaks) leaked.push(Array.from({ length: 256 }, (_, index) => index + Math.random()))
  return x + y
})
app.task('soak.echo', (text: string) => text)
app.task('soak.fail', { throws: [RangeError] }, (): never => {
  throw new RangeError('as agreed')
})
app.task('soak.again', { bind: true, maxRetries: 1 }, (task) => {
  if (task.request.retries === 0) throw task.retry({ countdown: 0 })
  return task.request.retries
})
/** Takes long enough that two of them at once are in two slots. */
app.task('soak.memory', async (ms: number): Promise<SlotMemory> => {
  await sleep(ms)
  return { slot: `${process.pid}:${threadId}`, heapBytes: heapAfterCollection() }
})
