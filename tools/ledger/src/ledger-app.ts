/** The app of producers and ct workers: `ct worker -A ledger-app.ts`. Its handlers write down that they began and that they ended. */
import { existsSync } from 'node:fs'
import { join as joinPath } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { amqpBroker } from '@ct/broker-amqp'
import { redisBackend, redisBroker } from '@ct/broker-redis'
import { createApp, type App, type TaskContext } from '@ct/core'
import { Journal } from './journal.ts'
import { readScene } from './scene.ts'
import { watchStalls } from './stalls.ts'

const scene = readScene()
// So that a connection on which nothing comes any more is found within a campaign.
const patience = { socketTimeout: 2, socketConnectTimeout: 2, healthCheckInterval: 1 }
const broker =
  scene.broker === 'rabbitmq'
    ? amqpBroker({ url: scene.url, heartbeat: 2, connectTimeout: 2 })
    : redisBroker({
        url: scene.url,
        ...patience,
        visibilityTimeout: scene.visibilityTimeout,
        unackedRestoreInterval: 1,
      })

export const journal: Journal = new Journal(scene.folder, process.env['CT_LEDGER_ROLE'] ?? 'ct')

export const app: App = createApp({
  name: 'ledger',
  broker,
  backend: redisBackend({ url: scene.backend ?? scene.url, ...patience }),
  taskDefaultQueue: 'ledger',
  // A worker that is started again while a queue is swapped waits for it; nobody would start it a second time.
  brokerChannelErrorRetry: true,
  ...(scene.maxDeliveries === undefined ? {} : { maxDeliveries: scene.maxDeliveries }),
})

watchStalls(journal)

async function run(task: TaskContext, key: string, workMs: number, got?: unknown): Promise<string> {
  const { id, retries } = task.request
  const fields = { k: key, r: retries, id, lang: 'ct' as const, ...(got === undefined ? {} : { v: got }) }
  journal.write({ e: 'start', ...fields })
  if (workMs > 0) await sleep(workMs)
  journal.write({ e: 'end', ...fields })
  return key
}

export const plain = app.task(
  'ledger.plain',
  { bind: true, params: ['key', 'work_ms'] },
  (task, key: string, workMs: number) => run(task, key, workMs),
)

/** A step of a chain: gets what the step before it returned. */
export const step = app.task(
  'ledger.step',
  { bind: true, params: ['got', 'key', 'work_ms'] },
  (task, got: string | null, key: string, workMs: number) => run(task, key, workMs, got),
)

/** The body of a chord: gets what the parts returned. */
export const join = app.task(
  'ledger.join',
  { bind: true, params: ['got', 'key', 'work_ms'] },
  (task, got: readonly string[], key: string, workMs: number) => run(task, key, workMs, got),
)

export const again = app.task(
  'ledger.again',
  { bind: true, params: ['key', 'work_ms', 'times', 'countdown_ms'], maxRetries: null },
  async (task, key: string, workMs: number, times: number, countdownMs: number) => {
    const { id, retries } = task.request
    if (retries >= times) return await run(task, key, workMs)
    const fields = { k: key, r: retries, id, lang: 'ct' as const }
    journal.write({ e: 'start', ...fields })
    if (workMs > 0) await sleep(workMs)
    journal.write({ e: 'again', ...fields })
    throw task.retry({ countdown: countdownMs / 1000 })
  },
)

/** Takes its process with it, as long as a file `poisonous` lies in the campaign's folder. */
export const poison = app.task(
  'ledger.poison',
  { bind: true, params: ['key', 'how'] },
  async (task, key: string, how: 'exit' | 'kill') => {
    const { id, retries } = task.request
    journal.write({ e: 'start', k: key, r: retries, id, lang: 'ct' })
    // The others that run beside it are in the middle of their work by now.
    await sleep(20)
    if (existsSync(joinPath(scene.folder, 'poisonous'))) {
      if (how === 'exit') process.exit(1)
      process.kill(process.pid, 'SIGKILL')
      await sleep(10_000)
    }
    journal.write({ e: 'end', k: key, r: retries, id, lang: 'ct' })
    return key
  },
)
