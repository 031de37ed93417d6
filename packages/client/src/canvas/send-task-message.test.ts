import { Broadcast, Exchange, Queue } from '../routing/index.ts'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { isoformat, jsonSerializer, PublishError, RawJson } from '@ct/contracts'
import type { Serializer } from '@ct/contracts'
import { capturedApp, nowMs } from '../../test/captured-app.ts'
import type { CapturedApp } from '../../test/captured-app.ts'
import type { AppOptions } from '../app/index.ts'
import { LocalTaskContext, localRequest } from '../task/index.ts'
import type { RegisteredTask, StandardSchema } from '../task/index.ts'
import { toSignatureOptions } from './call-option-names.ts'
import { runInTask } from './current-task.ts'
import type { FrozenResult } from './frozen-result.ts'
import type { AnySignature } from './signature.ts'
import { prepareTask, publishTask } from './send-task-message.ts'

let captured: CapturedApp

beforeEach(() => {
  captured = capturedApp()
})
afterEach(async () => {
  await captured[Symbol.asyncDispose]()
})

async function use(options: AppOptions): Promise<CapturedApp['app']> {
  await captured[Symbol.asyncDispose]()
  captured = capturedApp(options)
  return captured.app
}

const add = (x: number, y: number): number => x + y

describe('a sent task', () => {
  it('TASK-110, TASK-111: has the headers, properties and body of Celery', async () => {
    const { app } = captured
    const task = app.task('proj.add', add)
    const result = await task.delay(1, 2)
    const [message] = await captured.sent()
    expect(message!.headers).toEqual({
      lang: 'py',
      task: 'proj.add',
      id: result.id,
      shadow: null,
      eta: null,
      expires: null,
      group: null,
      group_index: null,
      retries: 0,
      timelimit: [null, null],
      root_id: result.id,
      parent_id: null,
      argsrepr: '(1, 2)',
      kwargsrepr: '{}',
      origin: `gen${process.pid}@${app.context.hostname}`,
      ignore_result: false,
      replaced_task_nesting: 0,
      stamped_headers: null,
      stamps: {},
    })
    expect(message!.properties).toMatchObject({
      correlationId: result.id,
      replyTo: app.context.oid,
      deliveryMode: 2,
      priority: 0,
    })
    expect([message!.args, message!.kwargs, message!.embed]).toEqual([
      [1, 2],
      {},
      { callbacks: null, errbacks: null, chain: null, chord: null },
    ])
  })

  it('APP-11: ids are random UUIDs; a caller may give any text that is not empty', async () => {
    const { app } = captured
    const task = app.task('proj.add', add)
    const ids = [await task.delay(1, 1), await task.delay(1, 1), await app.sendTask('x')].map(({ id }) => id)
    for (const id of ids)
      expect(id).toMatch(/^[\da-f]{8}-[\da-f]{4}-4[\da-f]{3}-[89ab][\da-f]{3}-[\da-f]{12}$/)
    expect(new Set(ids).size).toBe(3)
    expect((await task.applyAsync([1, 1], { taskId: 'order 7/ü' })).id).toBe('order 7/ü')
    await expect(task.applyAsync([1, 1], { taskId: '' })).rejects.toThrow('must be a text that is not empty')
  })

  it('TASK-80: keyword arguments that are no mapping, and arguments that are no list, are refused', async () => {
    const { app } = captured
    const task = app.task('proj.add', add)
    for (const kwargs of [[1], 'x', 5] as never[]) {
      await expect(task.applyAsync([1, 2], { kwargs })).rejects.toMatchObject({
        code: 'CT_ARGUMENTS',
        message: 'add() keyword arguments must be an object such as { x: 1 }',
      })
      await expect(app.sendTask('x', { kwargs })).rejects.toMatchObject({ code: 'CT_INVALID_MESSAGE' })
    }
    await expect(app.sendTask('x', { args: 'ab' as never })).rejects.toThrow('args must be an array')
    expect(await captured.sent()).toEqual([])
  })

  it('TASK-131…133, TASK-151: turns countdown, eta and expires into instants', async () => {
    const task = captured.app.task('proj.add', add)
    await task.applyAsync([1, 2], { countdown: 1.5, expires: 60 })
    await task.applyAsync([1, 2], { countdown: 0, eta: undefined })
    await task.applyAsync([1, 2], {
      eta: new Date('2010-01-01T00:00:00Z'),
      expires: new Date('2010-01-02T00:00:00.5Z'),
    })
    await task.applyAsync([1, 2], { eta: '2010-01-01T00:00:00+02:00' })
    const messages = await captured.sent()
    expect(messages.map(({ headers }) => [headers['eta'], headers['expires']])).toEqual([
      [isoformat(nowMs + 1500), isoformat(nowMs + 60_000)],
      [null, null],
      ['2010-01-01T00:00:00+00:00', '2010-01-02T00:00:00.500000+00:00'],
      ['2010-01-01T00:00:00+02:00', null],
    ])
    expect(messages.map(({ properties }) => properties.expiration)).toEqual([
      '60000',
      undefined,
      expect.any(String),
      undefined,
    ])
    // Past already: legal, and the broker may drop it at once.
    const past = prepareTask(captured.app.context, {
      task: 'proj.add',
      args: [],
      kwargs: {},
      options: { expires: -5 },
    })
    expect([past.message.headers['expires'], past.message.properties.expiration]).toEqual([
      isoformat(nowMs - 5000),
      '0',
    ])
  })

  it('D57-207: refuses nonsense at the call', async () => {
    const task = captured.app.task('proj.add', add)
    const bad = [
      { countdown: Number.NaN },
      { eta: 'soon' },
      { expires: 'soon' },
      { eta: new Date(Number.NaN) },
      { priority: -1 },
      { taskId: '' },
      { countDown: 1 },
      { timeLimit: Infinity },
      { countdown: 1e15 },
      { publishTimeoutMs: 0 },
    ]
    for (const options of bad) await expect(task.applyAsync([1, 2], options as never)).rejects.toThrow()
    await expect(task.applyAsync([1, 2], { countDown: 1 } as never)).rejects.toThrow(
      /Did you mean "countdown"/,
    )
    expect(await captured.sent()).toEqual([])
  })

  it('D57-207: refuses nonsense that a signature holds which came as data', async () => {
    const dict = captured.app.task('proj.add', add).s(1, 2).toJSON()
    const bad = [
      [{ queue: 5 }, '"queue" must be the name of a queue'],
      [{ exchange: {} }, '"exchange" must be'],
      [{ routing_key: 1 }, '"routing_key" must be'],
      [{ priority: 300 }, '"priority" must be a whole number from 0 to 255'],
      [{ headers: 'x' }, '"headers" must be an object'],
      [{ delivery_mode: 7 }, '"delivery_mode" must be'],
      [{ countdown: 'soon' }, '"countdown" must be a number of seconds'],
    ] as const
    for (const [options, message] of bad)
      await expect(captured.app.signature({ ...dict, options }).applyAsync([])).rejects.toThrow(message)
    expect(await captured.sent()).toEqual([])
  })

  it('D57-207: arguments that are no list are refused, not forgotten', async () => {
    const task = captured.app.task('proj.any', { typing: false }, (...all: unknown[]) => all)
    const two = 2 as never
    await expect(task.applyAsync(two, two)).rejects.toThrow('Arguments are a list, options an object')
    await expect(task.s().applyAsync(two, two)).rejects.toThrow('Arguments are a list, options an object')
    await expect(task.s().apply(two, two)).rejects.toThrow('Arguments are a list, options an object')
    expect(() => task.s().clone(5 as never)).toThrow('Arguments are a list such as [2, 2], not 5')
  })

  it('TASK-134 TASK-137 TASK-139…142 TASK-145…147 TASK-149: passes every other option on', async () => {
    const task = captured.app.task('proj.add', add)
    await task.applyAsync([1], {
      kwargs: { y: 2 },
      taskId: 'my-id',
      priority: 4,
      compression: 'zlib',
      headers: { tenant: 'a', lang: 'x' },
      properties: { MessageGroupId: 'g' },
      timeLimit: 30,
      softTimeLimit: 20,
      ignoreResult: true,
      shadow: 'shown',
      replyTo: 'queue',
      deliveryMode: 'transient',
      argsrepr: '(…)',
      kwargsrepr: '{…}',
      rootId: 'root',
      parentId: 'parent',
      groupId: 'group',
      groupIndex: 3,
      retries: 2,
      replacedTaskNesting: 1,
      stamps: { order: 7 },
    })
    const connection = await captured.app.context.producer.connection()
    expect(await connection.queueSize('celery')).toBe(1)
    let headers: Readonly<Record<string, unknown>> = {}
    let properties: Readonly<Record<string, unknown>> = {}
    const consumer = await connection.openConsumer({
      credit: 1,
      onDelivery: (delivery) => {
        headers = delivery.headers
        properties = delivery.properties as never
      },
    })
    await consumer.subscribe([{ queue: captured.app.context.queues.get('celery').declaration }])
    while ((await connection.queueSize('celery')) > 0) await new Promise(setImmediate)
    await consumer.close()
    expect(headers).toMatchObject({
      id: 'my-id',
      compression: 'application/x-gzip',
      tenant: 'a',
      lang: 'x',
      timelimit: [30, 20],
      ignore_result: true,
      shadow: 'shown',
      argsrepr: '(…)',
      kwargsrepr: '{…}',
      root_id: 'root',
      parent_id: 'parent',
      group: 'group',
      group_index: 3,
      retries: 2,
      replaced_task_nesting: 1,
      stamped_headers: ['order'],
      stamps: { order: 7 },
    })
    expect(properties).toMatchObject({
      correlationId: 'my-id',
      replyTo: 'queue',
      deliveryMode: 1,
      priority: 4,
      extra: { MessageGroupId: 'g' },
    })
  })

  it('TASK-135: takes signatures, tasks and data as callbacks', async () => {
    const task = captured.app.task('proj.add', add)
    const plain = { task: 'far', args: [], kwargs: {}, options: {}, subtask_type: null, immutable: false }
    await task.applyAsync([1, 2], { link: [task, task.s(3), plain], linkError: task })
    const [message] = await captured.sent()
    expect(message!.embed.callbacks!.map(({ task: name, args }) => [name, args])).toEqual([
      ['proj.add', []],
      ['proj.add', [3]],
      ['far', []],
    ])
    expect(message!.embed.errbacks).toHaveLength(1)
    await expect(task.applyAsync({ args: [1, 2] } as never)).rejects.toThrow(/Arguments come first/)
  })

  it('TASK-30: checks arguments at the caller, unless typing is off', async () => {
    const task = captured.app.task('proj.add', add)
    await expect((task.delay as (x: number) => Promise<unknown>)(1)).rejects.toThrow(
      "add() missing 1 required positional argument: 'y'",
    )
    await expect(task.applyAsync([1, 2], { kwargs: { z: 1 } } as never)).rejects.toThrow(
      "unexpected keyword argument 'z'",
    )
    await expect((task.s(1) as AnySignature).applyAsync()).rejects.toThrow("'y'")
    await expect(captured.app.sendMany([task.s(1) as AnySignature])).rejects.toThrow("'y'")
    const loose = captured.app.task('proj.loose', { typing: false }, add)
    await (loose.delay as (x: number) => Promise<unknown>)(1)
    expect(await captured.sent()).toHaveLength(1)
  })

  it('TASK-37, SET-142: the task’s options are defaults, and a call’s null clears limits and expiry', async () => {
    const app = await use({ taskSoftTimeLimit: 5, taskDefaultPriority: 6 })
    const task = app.task(
      'proj.add',
      { timeLimit: 10, expires: 60, queue: 'images', ignoreResult: true, serializer: 'json' },
      add,
    )
    await task.delay(1, 2)
    await task.applyAsync([1, 2], {
      timeLimit: null,
      softTimeLimit: null,
      expires: null,
      queue: 'other',
      ignoreResult: false,
    })
    const messages = await captured.sent('images', 'other')
    expect(
      messages.map(({ queue, headers, properties }) => [
        queue,
        headers['timelimit'],
        headers['ignore_result'],
        headers['expires'] !== null,
        properties.priority,
      ]),
    ).toEqual([
      ['images', [10, 5], true, true, 6],
      ['other', [null, null], false, false, 6],
    ])
  })

  it('TASK-4 TASK-5 TASK-27 TASK-28: serializer, compression, expiry and priority of the task', async () => {
    const shouting: Serializer = {
      ...jsonSerializer,
      name: 'shouting',
      contentType: 'application/x-shouting',
      contentEncoding: 'utf-8',
      encode: (value) => Buffer.from(JSON.stringify(value).toUpperCase()),
      decode: (bytes) => JSON.parse(Buffer.from(bytes).toString()) as unknown,
    }
    const app = await use({ serializers: [shouting] })
    app.task(
      'x',
      { serializer: 'shouting', compression: 'zlib', expires: 60, priority: 3 },
      (text: string) => text,
    )
    const { message } = prepareTask(app.context, { task: 'x', args: ['a'], kwargs: {} })
    expect(message).toMatchObject({
      contentType: 'application/x-shouting',
      headers: { compression: 'application/x-gzip', expires: isoformat(nowMs + 60_000) },
      properties: { priority: 3, expiration: '60000' },
    })
    const body = app.context.compressors.decompress(message.body, 'zlib', 1000)
    expect(Buffer.from(body).toString()).toContain('[["A"],{}')
  })

  it('TASK-138 TASK-148: how it is published is the call’s to say', () => {
    const { context } = captured.app
    const options = toSignatureOptions({
      retry: false,
      retryPolicy: { maxRetries: 1, intervalStart: 0.5 },
      publishTimeoutMs: 50,
      mandatory: true,
    })
    const signal = new AbortController().signal
    const { message, publish } = prepareTask(context, { task: 'x', args: [], kwargs: {}, options, signal })
    expect(message.mandatory).toBe(true)
    expect(publish).toMatchObject({
      retry: false,
      retryPolicy: { maxRetries: 1, intervalStart: 0.5 },
      timeoutMs: 50,
      declare: [{ name: 'celery' }],
    })
    expect(publish.signal).toBe(signal)
  })

  it('TASK-148: declares what the call names before it publishes, one call and many; it does not travel', async () => {
    const task = captured.app.task('proj.add', add)
    const declare = vi.spyOn(await captured.app.context.producer.connection(), 'declare')
    const side = new Queue('side')
    const exchange = new Exchange('audit', { type: 'topic' })
    await task.applyAsync([1, 1], { declare: [side, exchange] })
    const [queues, options] = declare.mock.calls[0]!
    expect(queues.map(({ name }) => name)).toEqual(['celery', 'side'])
    expect(options?.exchanges).toEqual([exchange.declaration])
    const signature = task.s(1, 2).set({ declare: [new Queue('more')] })
    await captured.app.sendMany([signature])
    expect(declare.mock.calls[1]![0].map(({ name }) => name)).toEqual(['more'])
    expect(JSON.stringify(signature)).not.toContain('more')
    // @ts-expect-error names say nothing of how to declare them
    await expect(task.applyAsync([1, 1], { declare: ['side'] })).rejects.toThrow(
      'The calling option "declare" must be a list of queues and exchanges.',
    )
  })

  it('a queue given as an object is declared once, not at each send', async () => {
    const task = captured.app.task('proj.add', add)
    const declare = vi.spyOn(await captured.app.context.producer.connection(), 'declare')
    const queue = new Queue('mine')
    for (const n of [1, 2, 3]) await task.applyAsync([n, 1], { queue })
    expect(declare).toHaveBeenCalledOnce()
  })

  it('TASK-38, SET-134: annotations rewrite options, `*` first', async () => {
    const app = await use({
      taskAnnotations: { '*': { rate_limit: '1/s', queue: 'all' }, 'proj.add': { queue: 'mine' } },
    })
    const task = app.task('proj.add', add)
    expect(task.options.rateLimit).toBe('1/s')
    await task.delay(1, 2)
    expect((await captured.sent('mine'))[0]!.queue).toBe('mine')
  })

  it('TASK-36: a task can name itself for monitors; the call’s shadow wins', async () => {
    const task = captured.app.task('proj.add', { shadowName: (args) => `add ${String(args[0])}` }, add)
    await task.delay(1, 2)
    await task.applyAsync([1, 2], { shadow: 'mine' })
    expect((await captured.sent()).map(({ headers }) => headers['shadow'])).toEqual(['add 1', 'mine'])
  })

  it('ROUTE-1, ROUTE-5, TASK-136, TASK-150: is routed by taskRoutes, by the task, by the call', async () => {
    const app = await use({ taskRoutes: { 'proj.*': { queue: 'routed', priority: 3 } } })
    const task = app.task('proj.add', add)
    await task.delay(1, 2)
    await task.applyAsync([1, 2], { queue: 'called' })
    await task.applyAsync([1, 2], { queue: new Queue('object'), routeName: 'other' })
    const messages = await captured.sent('routed', 'called', 'object')
    expect(messages.map(({ queue, properties }) => [queue, properties.priority]).toSorted()).toEqual([
      ['called', 3],
      ['object', 0],
      ['routed', 3],
    ])
    void Broadcast
  })

  it('APP-64, D57-17: by name leaves ignoring to the worker', async () => {
    const { app } = captured
    app.task('proj.add', { queue: 'images' }, add)
    await app.sendTask('proj.add', { args: [1], kwargs: { y: 2 } })
    await app.sendTask('elsewhere', { queue: 'images', ignoreResult: true })
    const messages = await captured.sent('images')
    expect(messages.map(({ headers }) => headers['ignore_result'])).toEqual([null, true])
    expect(messages[0]!.kwargs).toEqual({ y: 2 })
  })

  it.each(['ct', 'celery'] as const)(
    'PAIN-64: a broadcast task ignores its result, unless the call says otherwise (%s)',
    async (defaults) => {
      const app = await use({ defaults, taskQueues: ['celery', new Broadcast('shout')] })
      const task = app.task('proj.add', { queue: 'shout' }, add)
      const header = (options: Record<string, unknown>, byName = false): unknown => {
        const call = { task: 'proj.add', args: [1, 2], kwargs: {}, options, byName }
        return prepareTask(app.context, call).message.headers['ignore_result']
      }
      const kept = defaults === 'celery'
      expect(header({})).toBe(!kept)
      expect(header({ queue: 'shout' }, true)).toBe(kept ? null : true)
      expect(header({ ignore_result: false })).toBe(false)
      expect(header({ queue: 'celery' })).toBe(false)
      expect(task.name).toBe('proj.add')
    },
  )

  it('RES-16: a handle of an ignored result waits for nothing', async () => {
    const task = captured.app.task('proj.add', { ignoreResult: true }, add)
    const result = await task.delay(1, 2)
    expect(result.ignored).toBe(true)
    expect(await result.get()).toBeNull()
  })

  it('forwards arguments as source text', async () => {
    const { context } = captured.app
    await publishTask(context, {
      task: 'x',
      args: RawJson.from('[1.0, 12345678901234567890]'),
      kwargs: RawJson.from('{"a": 1e2}'),
    })
    const connection = await context.producer.connection()
    const { promise, resolve } = Promise.withResolvers<string>()
    const consumer = await connection.openConsumer({
      credit: 1,
      onDelivery: (delivery) => resolve(new TextDecoder().decode(delivery.body)),
    })
    await consumer.subscribe([{ queue: context.queues.get('celery').declaration }])
    expect(await promise).toContain('[[1.0, 12345678901234567890], {"a": 1e2}, ')
    await consumer.close()
  })

  it('asks route functions with decoded arguments', async () => {
    const seen: unknown[] = []
    const app = await use({
      taskRoutes: (name, args, kwargs) => {
        seen.push([name, args, kwargs])
        return null
      },
    })
    await publishTask(app.context, { task: 'x', args: RawJson.from('[1]'), kwargs: {} })
    expect(seen).toEqual([['x', [1], {}]])
  })
})

describe('inside a running task', () => {
  function inTask<T>(fn: () => T, fields = {}, children: never[] | undefined = []): T {
    const { app } = captured
    const task = (app.tasks.get('proj.parent') ?? app.task('proj.parent', () => 1)) as RegisteredTask
    const request = localRequest('proj.parent', {
      id: 'parent',
      rootId: 'root',
      calledDirectly: false,
      ...fields,
    })
    return runInTask({ context: new LocalTaskContext(task, request, app), children }, fn)
  }

  it('TASK-50, TASK-144: a send has its parent and root, and is recorded as a child', async () => {
    const task = captured.app.task('proj.add', add)
    const children: never[] = []
    const [first] = await inTask(
      () => Promise.all([task.delay(1, 2), task.applyAsync([1, 2], { addToParent: false })]),
      {},
      children,
    )
    const messages = await captured.sent()
    expect(messages.map(({ headers }) => [headers['root_id'], headers['parent_id']])).toEqual([
      ['root', 'parent'],
      ['root', 'parent'],
    ])
    expect(children).toEqual([{ id: first.id, parent: null, children: null }])
  })

  it('TASK-29: a group is one child, and nothing is recorded without trail', async () => {
    const task = captured.app.task('proj.add', add)
    const children: { id: string; children: unknown[] }[] = []
    const { group } = await import('./index.ts')
    const result = await inTask(() => group([task.s(1, 1), task.s(2, 2)]).applyAsync(), {}, children as never)
    expect(children).toHaveLength(1)
    expect(children[0]!.id).toBe(result.id)
    expect(children[0]!.children).toHaveLength(2)
    await inTask(() => task.delay(1, 2), {}, undefined)
  })

  it('ROUTE-31, SET-149: the priority is inherited when the setting says so', async () => {
    const app = await use({ taskInheritParentPriority: true })
    const task = app.task('proj.add', add)
    const deliveryInfo = { exchange: '', routingKey: 'celery', priority: 7, redelivered: false }
    await inTask(() => task.delay(1, 2), { deliveryInfo })
    await inTask(() => task.applyAsync([1, 2], { priority: 2 }), { deliveryInfo })
    expect((await captured.sent()).map(({ properties }) => properties.priority).toSorted()).toEqual([2, 7])
  })

  it('a task called as a function is nobody’s parent', async () => {
    const task = captured.app.task('proj.add', add)
    const caller = captured.app.task('proj.caller', { bind: true }, async () => task.delay(1, 2))
    await caller()
    expect((await captured.sent())[0]!.headers['parent_id']).toBeNull()
  })
})

it('RES-26: a task that was not sent is no child of the one that tried to', async () => {
  const { app } = captured
  const task = app.task('proj.add', add)
  const context = new LocalTaskContext(task as RegisteredTask, localRequest('proj.parent', { id: 'p' }), app)
  const children: FrozenResult[] = []
  await runInTask({ context, children }, async () => {
    const sent = await task.delay(1, 1)
    const publish = vi.spyOn(app.context.producer, 'publish')
    publish.mockRejectedValueOnce(new PublishError('refused', { maybeDelivered: false }))
    await expect(task.delay(2, 2)).rejects.toThrow('refused')
    publish.mockRejectedValueOnce(new PublishError('lost', { maybeDelivered: true }))
    await expect(task.applyAsync([3, 3], { taskId: 'maybe' })).rejects.toThrow('lost')
    expect(children.map(({ id }) => id)).toEqual([sent.id, 'maybe'])
  })
})

describe('sendMany', () => {
  it('sends thousands in one step, in order', async () => {
    const task = captured.app.task('proj.add', add)
    const results = await captured.app.sendMany(Array.from({ length: 3000 }, (_, index) => task.s(index, 1)))
    const messages = await captured.sent()
    expect(messages.map(({ headers }) => headers['id'])).toEqual(results.map(({ id }) => id))
    expect(messages[2999]!.args).toEqual([2999, 1])
  })

  it('SET-158: reports what it has sent', async () => {
    const app = await use({ taskSendSentEvent: true })
    const told: unknown[] = []
    Object.assign(app.context, { taskSent: (fields: Record<string, unknown>) => told.push(fields['uuid']) })
    const task = app.task('proj.add', add)
    const results = await app.sendMany([task.s(1, 1), task.s(2, 2)])
    expect(told).toEqual(results.map(({ id }) => id))
  })

  it('takes options and canvases too', async () => {
    const { chain } = await import('./index.ts')
    const task = captured.app.task('proj.add', add)
    const [plain, chained] = await captured.app.sendMany([
      task.s(1, 1).set({ queue: 'q', taskId: 'mine' }),
      chain(task.s(1, 1), task.s(2)),
    ])
    const messages = await captured.sent('q', 'celery')
    expect(plain.id).toBe('mine')
    expect(chained.parent?.id).toBe(messages.find(({ queue }) => queue === 'celery')!.headers['id'])
  })

  it('TASK-30: sends nothing when the arguments of one are wrong, asynchronous schemas included', async () => {
    const task = captured.app.task('proj.add', add)
    const schema: StandardSchema<unknown, [number]> = {
      '~standard': {
        version: 1,
        vendor: 'test',
        validate: async (value) =>
          typeof (value as unknown[])[0] === 'number'
            ? { value: value as [number] }
            : { issues: [{ message: 'not a number' }] },
      },
    }
    const late = captured.app.task('proj.late', { args: schema }, (x: number) => x)
    await expect(captured.app.sendMany([task.s(1, 1), late.signature(['x'])])).rejects.toThrow('not a number')
    await expect(captured.app.sendMany([task.s(1, 1), task.s(1) as AnySignature])).rejects.toThrow("'y'")
    expect(await captured.sent()).toEqual([])
  })

  it('one that cannot be encoded does not hold up the others', async () => {
    const task = captured.app.task('proj.any', { typing: false }, (x: unknown) => x)
    const signatures = [task.s(1), task.s(new Map()).set({ taskId: 'odd' }), task.s(3)]
    await expect(captured.app.sendMany(signatures)).rejects.toMatchObject({
      code: 'CT_PUBLISH',
      message: expect.stringMatching(/^1 of 3 tasks could not be sent; the first: .*Map/) as string,
      maybeDelivered: false,
      retryable: false,
      details: { failures: [{ index: 1, id: 'odd', code: 'CT_ENCODE', maybeDelivered: false }] },
    })
    expect((await captured.sent()).map(({ args }) => args)).toEqual([[1], [3]])
  })

  it('tells which were not taken', async () => {
    const { app } = captured
    const task = app.task('proj.add', add)
    await app.close()
    await expect(app.sendMany([task.s(1, 1)])).rejects.toMatchObject({ code: 'CT_CLOSED' })
  })

  it('stops for a signal', async () => {
    const task = captured.app.task('proj.add', add)
    await expect(
      captured.app.sendMany([task.s(1, 1)], { signal: AbortSignal.abort() }),
    ).rejects.toMatchObject({ code: 'CT_PUBLISH' })
    await expect(task.applyAsync([1, 1], { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CT_ABORTED',
    })
  })
})
