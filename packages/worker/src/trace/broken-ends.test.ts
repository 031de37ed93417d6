/** Endings of which a part cannot be done: the task is over all the same, and runs once. */
import { memoryBackend, memoryBroker } from '@ct/broker-memory'
import {
  chain,
  chord,
  createApp,
  type AnySignature,
  type App,
  type AsyncResult,
  type Logger,
} from '@ct/client'
import type { SignatureDict } from '@ct/contracts'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createWorker, type Worker } from '../index.ts'

const lines: string[] = []
const loud = (message: string): void => void lines.push(message)
const logger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: loud,
  critical: loud,
  child: () => logger,
}

const broken = { task: 'proj.note', args: 5 } as unknown as SignatureDict
const step = (options: Readonly<Record<string, unknown>> = {}): SignatureDict => ({
  task: 'proj.note',
  args: [],
  kwargs: {},
  options,
  subtask_type: null,
  immutable: false,
})

describe('endings that cannot be done whole', () => {
  let app: App
  let worker: Worker
  let runs: string[]
  let notes: unknown[]

  beforeEach(async () => {
    lines.length = 0
    runs = []
    notes = []
    const hub = `broken-ends-${Math.random()}`
    app = createApp({
      name: 'proj',
      broker: memoryBroker({ name: hub }),
      backend: memoryBackend({ name: hub }),
      logger,
      taskCreateMissingQueues: false,
      publishTimeoutMs: 2000,
    })
    app.task('proj.fail', () => {
      runs.push('fail')
      throw new TypeError('boom')
    })
    app.task('proj.note', (value: unknown) => void notes.push(value))
    app.task('proj.odd', { ignoreResult: true }, () => {
      runs.push('odd')
      return () => 1
    })
    app.task('proj.one', () => 1)
    app.task('proj.sum', (values: unknown[]) => values.length)
    worker = createWorker(app, { withoutMingle: true, withoutHeartbeat: true })
    await worker.start()
  })
  afterEach(async () => {
    await worker.stop()
    await app.close()
  })

  const failed = async (result: AsyncResult): Promise<void> => {
    await expect(result.get({ timeoutMs: 20_000 })).rejects.toThrow('boom')
    // A stopping worker waits for endings.
    await worker.stop()
    expect(lines.filter((line) => line.includes('INTERNAL ERROR'))).toEqual([])
    expect(runs).toEqual(['fail'])
  }

  it('CANVAS-62, D57-165: an error callback that cannot be sent does not make the task run again', async () => {
    await failed(await app.sendTask('proj.fail', { linkError: step({ queue: 'nowhere' }) }))
  })

  it('CANVAS-92: nor does one that cannot be read; the others are called', async () => {
    const result = await app.sendTask('proj.fail', { linkError: [broken, step()] })
    await expect.poll(() => notes).toEqual([result.id])
    await failed(result)
  })

  it('CANVAS-92: nor does a later step that cannot be read; the others fail', async () => {
    const chain = [step({ task_id: 'last' }), broken, step({ task_id: 'next' })]
    await failed(await app.sendTask('proj.fail', { chain }))
    expect(await app.asyncResult('last').state()).toBe('FAILURE')
    expect(await app.asyncResult('next').state()).toBe('FAILURE')
  })

  it('CANVAS-70, CANVAS-92: a chord whose body cannot be read does not make its members run again', async () => {
    const { chord: counted } = await app.context.results.connection()
    await counted!.begin({ groupId: 'g', size: 1, expiresInMs: 60_000 })
    const result = await app.sendTask('proj.fail', { chord: broken, groupId: 'g', groupIndex: 0 })
    await failed(result)
  })

  it('CANVAS-70, CANVAS-71: error callbacks of a body without an id are called', async () => {
    const { chord: counted } = await app.context.results.connection()
    await counted!.begin({ groupId: 'g', size: 1, expiresInMs: 60_000 })
    const body = step({ link_error: [step()] })
    const result = await app.sendTask('proj.fail', { chord: body, groupId: 'g', groupIndex: 0 })
    await expect.poll(() => notes).toEqual([expect.any(String)])
    await failed(result)
  })

  it('CANVAS-66: a member whose result is ignored, and cannot be encoded, fails its chord', async () => {
    const canvas = chord(
      [app.signature('proj.odd'), app.signature('proj.one')] as readonly AnySignature[],
      app.signature('proj.sum') as never,
    ) as unknown as AnySignature
    const result = (await canvas.applyAsync([])) as AsyncResult
    await expect(result.get({ timeoutMs: 20_000 })).rejects.toThrow(/Dependency .* raised/)
    expect(runs).toEqual(['odd'])
  })

  it('CANVAS-70, D57-169: a chord does not wait for a chain of which a step was revoked', async () => {
    await app.control.revoke('doomed', { reply: true, limit: 1, timeoutMs: 20_000 })
    const doomed = chain(
      app.signature('proj.one', { taskId: 'doomed' }),
      app.signature('proj.one', { immutable: true }),
    )
    const canvas = chord(
      [doomed, app.signature('proj.one')] as readonly AnySignature[],
      app.signature('proj.sum') as never,
    ) as unknown as AnySignature
    const result = (await canvas.applyAsync([])) as AsyncResult
    await expect(result.get({ timeoutMs: 20_000, followParents: false })).rejects.toThrow(
      /Dependency .* raised TaskRevokedError\('revoked'\)/,
    )
  })
})
