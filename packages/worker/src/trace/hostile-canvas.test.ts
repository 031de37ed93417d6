/** Canvases in messages that nobody in his right mind sends: bounded cost, one line in the log, and the worker goes on. */
import { memoryBackend, memoryBroker } from '@ct/broker-memory'
import { createApp, type App, type Logger } from '@ct/client'
import type { SignatureDict } from '@ct/contracts'
import { afterAll, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { createWorker, type Worker } from '../index.ts'

const lines: string[] = []
const loud = (message: string): void => void lines.push(message)
const logger: Logger = {
  debug: () => {},
  info: () => {},
  warn: loud,
  error: loud,
  critical: loud,
  child: () => logger,
}

const task: SignatureDict = {
  task: 'proj.add',
  args: [1],
  kwargs: {},
  options: {},
  subtask_type: null,
  immutable: false,
}
const group = (tasks: readonly SignatureDict[]): SignatureDict => ({
  ...task,
  task: 'celery.group',
  args: [],
  kwargs: { tasks },
  subtask_type: 'group',
})
const nested = (levels: number): SignatureDict => {
  let whole = group([task, task])
  for (let level = 0; level < levels; level++) whole = group([whole, task])
  return whole
}

describe('hostile canvases', () => {
  let app: App
  let worker: Worker

  beforeAll(async () => {
    const hub = 'hostile-canvas'
    app = createApp({
      name: 'proj',
      broker: memoryBroker({ name: hub }),
      backend: memoryBackend({ name: hub }),
      logger,
    })
    app.task('proj.add', (x: number, y = 0) => x + y)
    worker = createWorker(app, { withoutMingle: true, withoutHeartbeat: true })
    await worker.start()
  })
  afterAll(async () => {
    await worker.stop()
    await app.close()
  })
  beforeEach(() => void (lines.length = 0))

  const cases: readonly (readonly [string, Readonly<Record<string, unknown>>])[] = [
    ['a next step nested 200 deep', { chain: [nested(200)] }],
    ['a callback nested 200 deep', { link: nested(200) }],
    ['a next step of an unknown kind', { chain: [{ ...task, subtask_type: 'spiral' }] }],
    [
      'a chord without a body as the next step',
      { chain: [{ ...task, task: 'celery.chord', subtask_type: 'chord', kwargs: { header: [] } }] },
    ],
  ]

  it.each(cases)('CANVAS-92: %s fails the task', async (_name, options) => {
    const result = await app.sendTask<number>('proj.add', { args: [1], ...options })
    await expect(result.get({ timeoutMs: 10_000 })).rejects.toThrow(/nested \d+ deep|unknown kind|no body/)
    await expect.poll(() => lines.length).toBe(1)
    expect(await (await app.sendTask<number>('proj.add', { args: [1, 1] })).get({ timeoutMs: 10_000 })).toBe(
      2,
    )
  })
})
