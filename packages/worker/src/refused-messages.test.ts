/** Messages that nobody can work, and results that nobody takes. */
import { memoryBackend } from '@ct/broker-memory'
import { chain, chord, prepareTask, type App } from '@ct/client'
import { BackendError, parkedSuffix, type OutgoingMessage } from '@ct/contracts'
import { describe, expect, it } from 'vitest'
import { type Worker } from './index.ts'
import { type Line, makeApp, plainBroker, soon, startWorker } from '../test/memory-worker.ts'

describe('messages nobody can work', () => {
  it('PAIN-8, TASK-102, architecture §6: a message that never ends is parked after maxDeliveries starts', async () => {
    const { app, lines } = makeApp({ maxDeliveries: 3 })
    let runs = 0
    const { Reject } = await import('@ct/contracts')
    const poison = app.task('poison', () => {
      runs += 1
      throw new Reject('again', true)
    })
    const fine = app.task('fine', () => 'fine')
    await startWorker(app)
    const result = await poison.delay()
    const parked = `celery${parkedSuffix}`
    const connection = await app.context.producer.connection()
    await expect.poll(() => connection.queueSize(parked)).toBe(1)
    // The first start is not counted, three redelivered ones are.
    expect(runs).toBe(4)
    expect(await (await fine.delay()).get(soon)).toBe('fine')
    expect(
      lines.some(({ level, message }) => level === 'error' && message.includes('parked in celery.parked')),
    ).toBe(true)
    const [message] = await connection.parked.list('celery')
    expect(message).toMatchObject({ taskName: 'poison', history: { reason: 'max-deliveries', starts: 3 } })
    // Who waits is told.
    await expect(result.get(soon)).rejects.toMatchObject({
      name: 'WorkerLostError',
      message: expect.stringMatching(/started 3 times and never ended .*celery\.parked/) as string,
    })
  })

  it('PAIN-8, PAIN-30: a firing of beat that was parked runs when it is put back', async () => {
    const { app } = makeApp({ maxDeliveries: 1 })
    const { Reject } = await import('@ct/contracts')
    let ill = true
    app.task('tick', () => {
      if (ill) throw new Reject('again', true)
      return 'well'
    })
    await startWorker(app)
    const headers = { celery_beat_task: true, ct_scheduled_at: '2026-03-01T12:00:00+00:00' }
    const result = await app.sendTask('tick', { taskId: 'firing', headers })
    await expect(result.get(soon)).rejects.toMatchObject({ name: 'WorkerLostError' })
    const connection = await app.context.producer.connection()
    await expect.poll(() => connection.queueSize(`celery${parkedSuffix}`)).toBe(1)
    ill = false
    const [parked] = await connection.parked.list('celery')
    await connection.parked.retry('celery', [parked!.id])
    await expect.poll(() => app.asyncResult('firing').state()).toBe('SUCCESS')
  })

  it('PAIN-8, PAIN-53: what waits for a parked message is told: its chord, the rest of its chain, error callbacks', async () => {
    const { app } = makeApp({ maxDeliveries: 1 })
    const { Reject } = await import('@ct/contracts')
    const poison = app.task('poison', () => {
      throw new Reject('again', true)
    })
    const fine = app.task('fine', () => 'fine')
    const told: unknown[] = []
    const tell = app.task('tell', (id: unknown) => void told.push(id))
    await startWorker(app)
    const body = await chord([fine.s(), poison.s()], fine.si()).applyAsync()
    await expect(body.get(soon)).rejects.toThrow(/never ended/)
    const last = await chain(poison.s(), fine.si()).applyAsync([], { linkError: tell.s() })
    await expect(last.get(soon)).rejects.toThrow(/never ended/)
    await expect.poll(() => told.length).toBe(1)
  })

  it('PAIN-8: a message that is found to make no sense after it was taken in leaves nothing behind', async () => {
    const { app, lines } = makeApp()
    app.task('t', () => 1)
    app.signals.taskReceived.connect(() => undefined)
    await startWorker(app)
    const step = '{"task":"t","args":[],"kwargs":{},"options":{},"subtask_type":null,"immutable":false}'
    await app.context.producer.publish({
      contentType: 'application/json',
      contentEncoding: 'utf-8',
      properties: {},
      exchange: '',
      routingKey: 'celery',
      headers: { task: 't', id: 'odd', lang: 'py' },
      // Only the step that is next is looked at when the message is read.
      body: Buffer.from(`[[],{},{"chain":[{nope},${step}]}]`),
    })
    await expect.poll(() => lines.map(({ message }) => message).join()).toMatch(/parked in celery\.parked/)
    const known = await app.control.inspect({ destination: ['w@test'], timeoutMs: 20_000 }).queryTask(['odd'])
    expect(known).toEqual({ 'w@test': {} })
  })

  const good: Record<string, unknown> = { task: 't', id: 'x', lang: 'py' }
  const corpus: readonly (readonly [string, Partial<OutgoingMessage> & { readonly text?: string }])[] = [
    ['no headers, body no task', { headers: {}, text: '{}' }],
    ['headers without a task', { headers: { id: 'x' }, text: '[[],{},{}]' }],
    ['body not JSON', { headers: good, text: '{nope' }],
    ['body of two', { headers: good, text: '[[],{}]' }],
    ['body an object without args', { headers: good, text: '{"a":1}' }],
    ['empty body', { headers: good, text: '' }],
    ['args a text', { headers: good, text: '["abc",{},null]' }],
    ['kwargs a list', { headers: good, text: '[[],[],null]' }],
    ['kwargs null', { headers: good, text: '[[],null,null]' }],
    ['embed a text', { headers: good, text: '[[],{},"x"]' }],
    ['callbacks not signatures', { headers: good, text: '[[],{},{"callbacks":[1]}]' }],
    ['id missing', { headers: { task: 't' }, text: '[[],{},null]' }],
    ['id a number', { headers: { task: 't', id: 5 }, text: '[[],{},null]' }],
    ['task a number', { headers: { task: 5, id: 'x' }, text: '[[],{},null]' }],
    ['eta no time', { headers: { ...good, eta: 'soon' }, text: '[[],{},null]' }],
    ['eta a number', { headers: { ...good, eta: 12 }, text: '[[],{},null]' }],
    ['expires no time', { headers: { ...good, expires: '' }, text: '[[],{},null]' }],
    ['timelimit of one', { headers: { ...good, timelimit: [5] }, text: '[[],{},null]' }],
    ['retries negative', { headers: { ...good, retries: -1 }, text: '[[],{},null]' }],
    ['group_index a text', { headers: { ...good, group_index: 'a' }, text: '[[],{},null]' }],
    ['stamps a list', { headers: { ...good, stamps: [] }, text: '[[],{},null]' }],
    [
      'content type not accepted',
      { headers: good, contentType: 'application/x-python-serialize', text: '[[],{},null]' },
    ],
    [
      'compression unknown',
      { headers: { ...good, compression: 'application/x-nothing' }, text: '[[],{},null]' },
    ],
    ['compression a lie', { headers: { ...good, compression: 'application/x-gzip' }, text: '[[],{},null]' }],
    ['nested too deep', { headers: good, text: `[[${'['.repeat(5000)}${']'.repeat(5000)}],{},null]` }],
    ['unknown task', { headers: { ...good, task: 'nobody' }, text: '[[],{},null]' }],
  ]

  it.each(['ct', 'celery'] as const)(
    'WORK-72…74, D57-200…202: with defaults %s, no malformed message stops the worker',
    async (defaults) => {
      const { app, lines } = makeApp({ defaults })
      const t = app.task('t', () => 'ran')
      const worker = await startWorker(app)
      for (const [, { text, ...message }] of corpus) {
        await app.context.producer.publish({
          body: new TextEncoder().encode(text),
          contentType: 'application/json',
          contentEncoding: 'utf-8',
          headers: {},
          properties: {},
          exchange: '',
          routingKey: 'celery',
          ...message,
        })
      }
      await expect.poll(() => worker.counts.refused).toBe(corpus.length)
      expect(lines.filter(({ level }) => level !== 'info')).toHaveLength(corpus.length)
      expect(await (await t.delay()).get(soon)).toBe('ran')
      const connection = await app.context.producer.connection()
      await expect
        .poll(() => connection.queueSize(`celery${parkedSuffix}`))
        .toBe(defaults === 'ct' ? corpus.length : 0)
      expect(await connection.queueSize('celery')).toBe(0)
    },
  )
})

describe('a message that makes no sense', () => {
  it('D57-66, TASK-80: an ETA that is no time, and keyword arguments that are no mapping: FAILURE, and not run', async () => {
    const { app } = makeApp()
    let runs = 0
    app.task('t', () => ++runs)
    await startWorker(app)
    const connection = await app.context.producer.connection()
    const send = async (id: string, headers: object, body = '[[], {}, {}]'): Promise<void> => {
      const { message } = prepareTask(app.context, {
        task: 't',
        args: [],
        kwargs: {},
        options: { task_id: id },
      })
      const bytes = new TextEncoder().encode(body)
      await connection.publish({ ...message, body: bytes, headers: { ...message.headers, ...headers } })
    }
    await send('eta', { eta: 'soon' })
    await send('kwargs', {}, '[[], [1], {}]')
    for (const [id, word] of [
      ['eta', 'eta'],
      ['kwargs', 'kwargs'],
    ] as const) {
      const result = app.asyncResult(id)
      await expect(result.get(soon)).rejects.toThrow(word)
      expect(await result.state()).toBe('FAILURE')
    }
    expect(runs).toBe(0)
  })
})

describe('a result store that refuses', () => {
  /** Refuses documents of that state. */
  async function refusing(state: string): Promise<{ app: App; lines: Line[]; worker: Worker; id: string }> {
    const hub = `worker-test-refusing-${process.pid}-${state}`
    const { app, lines } = makeApp({
      broker: plainBroker(hub),
      backend: memoryBackend({ name: `${hub}-results` }),
    })
    app.task('retried', { bind: true }, (task) => {
      if (task.request.retries === 0) throw task.retry({ countdown: 0 })
      return task.request.retries
    })
    app.task('last', () => 'last')
    const { results } = app.context
    const store = results.store.bind(results)
    Object.defineProperty(results, 'store', {
      value: (writes: Parameters<typeof store>[0]) =>
        writes.some((write) => write.state === state)
          ? Promise.reject(new BackendError('WRONGTYPE'))
          : store(writes),
    })
    return { app, lines, worker: await startWorker(app), id: `id-${state}` }
  }

  const said = (state: string, id: string): Line => ({
    level: 'critical',
    message: `The result store refuses the state ${state} of task retried[${id}].`,
  })

  it('PAIN-8: REVOKED: that is logged, and the message does not go round for ever', async () => {
    const { app, lines, worker, id } = await refusing('REVOKED')
    await app.control.revoke(id)
    await expect
      .poll(() => lines)
      .toContainEqual({ level: 'info', message: `Tasks flagged as revoked: ${id}` })
    await app.sendTask('retried', { taskId: id })
    expect(await (await app.sendTask('last')).get(soon)).toBe('last')
    expect(worker.counts.received).toBe(2)
    expect(lines).toContainEqual(said('REVOKED', id))
  })

  it('PAIN-8: RETRY: that is logged, and the task is retried all the same', async () => {
    const { app, lines, id } = await refusing('RETRY')
    expect(await (await app.sendTask('retried', { taskId: id })).get(soon)).toBe(1)
    expect(lines).toContainEqual(said('RETRY', id))
  })
})
