/** Tasks of the tests of pools: loaded by the test, by the worker's threads and by its children. */
import { writeFileSync, writeSync } from 'node:fs'
import { setTimeout as sleep } from 'node:timers/promises'
import { threadId } from 'node:worker_threads'
import { App, chain, currentTask, group, Ignore, Reject, type AnySignature } from '@ct/client'
import { redis } from '@ct/broker-redis'

const broker = process.env['CT_POOL_TEST_BROKER'] ?? 'redis://localhost:1'

export const app = new App({
  name: 'pools',
  broker,
  backend: process.env['CT_POOL_TEST_BACKEND'] ?? 'redis://localhost:1',
  adapters: broker.startsWith('amqp') ? [redis, (await import('@ct/broker-amqp')).amqp] : [redis],
  taskDefaultQueue: 'node',
  workerPoolRestarts: true,
})

export class TeaPotError extends Error {
  override name = 'TeaPotError'
}

const who = (): string => `${process.pid}/${threadId}`

app.task('add', { params: ['x', 'y'] }, (x: number, y: number) => x + y)
app.task('who', who)
app.task('echo', (value: unknown) => value)
app.task('fail', { throws: [RangeError] }, (kind: string) => {
  if (kind === 'expected') throw new RangeError('out of range')
  if (kind === 'string') throw 'just a text' // oxlint-disable-line no-throw-literal
  if (kind === 'nothing') throw undefined // oxlint-disable-line no-throw-literal
  throw new TeaPotError('short and stout')
})
/** What becomes of its message is decided by its class, which is known here alone. */
let busyRuns = 0
app.task('busy', { acksLate: true, requeueFor: [TeaPotError] }, () => {
  if ((busyRuns += 1) === 1) throw new TeaPotError('busy')
  return busyRuns
})
app.task('unencodable', () => () => 1)
app.task('retried', { bind: true, maxRetries: 3 }, (task) => {
  if (task.request.retries < 2) throw task.retry({ countdown: 0, exc: new TeaPotError('not yet') })
  return [task.request.retries, task.request.id.length, task.request.deliveryInfo.routingKey]
})
app.task('retried-otherwise', { bind: true }, (task, value: number) => {
  if (task.request.retries === 0) throw task.retry({ countdown: 0, args: [value * 2] })
  return value
})
app.task('auto', { autoretryFor: [TeaPotError], retryKwargs: { countdown: 0 }, bind: true }, (task) => {
  if (task.request.retries === 0) throw new TeaPotError('again')
  if (task.request.retries === 1) throw new RangeError('no more')
})
app.task('lost', { rejectOnWorkerLost: false }, () => process.exit(3))
app.task('lost-and-retried', { retryOnWorkerLost: true, defaultRetryDelay: 0, bind: true }, (task) => {
  if (task.request.retries === 0) process.exit(4)
  return task.request.retries
})
app.task('xsum', (numbers: readonly number[]) => numbers.reduce((sum, one) => sum + one, 0))
/** Becomes whatever the kind says; `cannot` is nothing that travels. */
app.task('replaced', { bind: true }, (task, kind: string, value: number) => {
  const add = (...args: readonly unknown[]): AnySignature => app.signature('add', { args })
  const both = group([add(100, value), add(200, value)])
  if (kind === 'group') throw task.replace(both)
  if (kind === 'chain') throw task.replace(chain(add(100, value), add(1) as never))
  if (kind === 'cannot') throw task.replace(add(() => 1, value))
  throw task.replace(add(100, value))
})
app.task('joined', { bind: true }, async (task, value: number) => {
  await task.addToChord(app.signature('add', { args: [value, 1000] }))
  return value
})
app.task('ignored', () => {
  throw new Ignore()
})
app.task('rejected', () => {
  throw new Reject('no')
})
app.task('progress', { bind: true }, async (task, gate: string) => {
  await task.updateState('PROGRESS', { done: 1, total: 3 })
  await app.sendTask('add', { args: [gate, ''], queue: 'elsewhere' })
  return 'progressed'
})
app.task('log', { bind: true }, (task, text: string) => {
  task.log.warn(text, { size: 3 })
  app.context.logger.error('of the app', { error: new TeaPotError('in a field') })
})
app.task('parent', { bind: true }, async (task) => {
  const child = await chain(
    app.signature('add', { args: [1, 2] }),
    app.signature('add', { args: [3] }),
  ).applyAsync()
  return [task.request.id, child.parent?.id, child.id]
})
app.task('spin', { bind: true }, () => {
  for (;;);
})
app.task('wait', { bind: true }, async (task) => {
  try {
    await sleep(60_000, undefined, { signal: task.signal })
    return 'slept'
  } catch {
    return `aborted: ${(task.signal.reason as Error).name}`
  }
})
app.task('exit', (code: number) => process.exit(code))
app.task('kill', (signal: string) => {
  process.kill(process.pid, signal as NodeJS.Signals)
  return sleep(60_000)
})
app.task('late-rejection', () => {
  setImmediate(() => void Promise.reject(new TeaPotError('nobody waits')))
  return 'fine'
})
app.task('late-throw', () => {
  setTimeout(() => {
    throw new TeaPotError('in a timer')
  })
  return new Promise(() => undefined)
})
app.task('leave-busy', (begun: string) => {
  setImmediate(() => {
    // Nothing else can be told from here on.
    writeFileSync(begun, '')
    for (;;);
  })
  return 'left'
})
const hoard: unknown[] = []
app.task('devour', () => {
  for (;;) hoard.push(Array.from({ length: 1000 }, (_, index) => ({ index })))
})
app.task('grow', (megabytes: number) => {
  hoard.push(Buffer.alloc(megabytes * 1024 * 1024, 1))
  return who()
})
app.task('burn', (ms: number) => {
  const until = performance.now() + ms
  while (performance.now() < until);
  return currentTask()?.name
})
app.task('started', { trackStarted: true, bind: true }, (task) => task.request.hostname)

const told: string[] = []
app.signals.workerProcessInit.connect(() => void told.push(`init ${who()}`))
app.signals.onAfterFork.connect(() => void told.push('fork'))
app.signals.taskPrerun.connect(({ task }) => void (task.name === 'told' && told.push('prerun')))
app.signals.workerProcessShutdown.connect(({ pid }) => {
  const file = process.env['CT_POOL_TEST_SHUTDOWN']
  if (file !== undefined) writeSync(Number(file), `shutdown ${pid}\n`)
})
app.task('told', () => told)
app.task(
  'hooked',
  {
    beforeStart: () => void told.push('before'),
    onSuccess: (value) => void hooks.push(['success', value]),
    onFailure: (error) => void hooks.push(['failure', (error as Error).name]),
    afterReturn: (state, value) =>
      void hooks.push(['after', state, value instanceof Error ? value.message : value]),
  },
  (fails: boolean) => {
    if (fails) throw new TeaPotError('hooked')
    return { one: 1.5 }
  },
)
/** Filled where the hooks run: in the worker's own thread. */
export const hooks: unknown[] = []
