/** The diagnostics channels of a worker: what they say of each task, and that a store bound to a run is there in its code. */
import { AsyncLocalStorage } from 'node:async_hooks'
import type { TracingChannelSubscribers } from 'node:diagnostics_channel'
import { memoryBackend, memoryBroker } from '@ct/broker-memory'
import { createApp, diagnostics, type TaskReceiveMessage, type TaskRunMessage } from '@ct/client'
import { expect, it } from 'vitest'
import { createWorker } from './index.ts'

it('ct:task:receive and ct:task:run: each run once, with its outcome, sync and async', async () => {
  const name = `channels-${process.pid}`
  await using app = createApp({
    name: 'proj',
    broker: memoryBroker({ name }),
    backend: memoryBackend({ name }),
  })
  const store = new AsyncLocalStorage<string>()
  const seen: string[] = []
  const add = app.task('proj.add', (x: number, y: number) => x + y)
  const where = app.task('proj.where', async () => {
    await Promise.resolve()
    return store.getStore() ?? 'nowhere'
  })
  const fail = app.task('proj.fail', { throws: [RangeError] }, () => {
    throw new RangeError('out')
  })
  const received = (message: unknown): void => {
    const { task, queue, headers, taskId } = message as TaskReceiveMessage
    seen.push(`receive ${task} ${queue} ${String(headers['id'] === taskId)}`)
  }
  const moment =
    (which: string) =>
    ({ task, request, taskId, result, error, expected }: TaskRunMessage): void => {
      const came = error instanceof Error ? `${error.message} ${String(expected)}` : String(result)
      seen.push(`${which} ${task.name} ${request.id === taskId ? came : '?'}`)
    }
  const runs: TracingChannelSubscribers<TaskRunMessage> = {
    start: moment('start'),
    end: moment('end'),
    asyncStart: moment('asyncStart'),
    asyncEnd: moment('asyncEnd'),
    error: moment('error'),
  }
  const worker = createWorker(app, { withoutMingle: true, concurrency: 1 })
  await worker.start()
  const outcome = async (call: Promise<{ get(): Promise<unknown> }>): Promise<unknown> =>
    await (await call).get()
  expect(await outcome(where.delay())).toBe('nowhere')
  diagnostics.taskReceive.subscribe(received)
  diagnostics.taskRun.subscribe(runs)
  diagnostics.taskRun.start.bindStore(store, ({ taskId }: TaskRunMessage) => `run of ${taskId}`)
  try {
    expect(await outcome(add.delay(2, 2))).toBe(4)
    const called = await where.delay()
    expect(await called.get()).toBe(`run of ${called.id}`)
    await expect(outcome(fail.delay())).rejects.toThrow('out')
    expect(seen.map((line) => line.replace(called.id, 'ID'))).toEqual([
      ...['receive proj.add celery true', 'start proj.add undefined', 'end proj.add 4'],
      ...['receive proj.where celery true', 'start proj.where undefined', 'end proj.where undefined'],
      ...['asyncStart proj.where run of ID', 'asyncEnd proj.where run of ID'],
      ...['receive proj.fail celery true', 'start proj.fail undefined', 'error proj.fail out true'],
      'end proj.fail out true',
    ])
  } finally {
    diagnostics.taskReceive.unsubscribe(received)
    diagnostics.taskRun.unsubscribe(runs)
    diagnostics.taskRun.start.unbindStore(store)
    await worker.stop()
  }
})
