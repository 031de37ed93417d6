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
  const runs = new Map<string, number>()

  beforeAll(async () => {
    const hub = 'hostile-canvas'
    app = createApp({
      name: 'proj',
      broker: memoryBroker({ name: hub }),
      backend: memoryBackend({ name: hub }),
      logger,
    })
    app.task('proj.add', (x: number, y = 0) => x + y)
    for (const name of ['proj.ends', 'proj.fails']) {
      app.task(name, { bind: true }, ({ request }) => {
        runs.set(request.id, (runs.get(request.id) ?? 0) + 1)
        if (name === 'proj.fails') throw new RangeError('it fails')
        return 1
      })
    }
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
    await expect(result.get({ timeoutMs: 20_000 })).rejects.toThrow(/nested \d+ deep|unknown kind|no body/)
    await expect.poll(() => lines.length).toBe(1)
    expect(await (await app.sendTask<number>('proj.add', { args: [1, 1] })).get({ timeoutMs: 20_000 })).toBe(
      2,
    )
  })

  it('CANVAS-92: whatever stands in the options of a link, the task ends, once, and nothing breaks inside', async () => {
    const nightly = process.env['CT_NIGHTLY'] !== undefined
    const values: readonly unknown[] = nightly
      ? [
          null,
          5,
          -1,
          1.5,
          'x',
          '',
          true,
          [],
          {},
          [null],
          [5],
          [[]],
          [{}],
          { task: 5 },
          { task: 'proj.add', args: 5 },
        ]
      : [5, [null]]
    const connection = await app.context.producer.connection()
    const { chord } = await app.context.results.connection()
    const ids: string[] = []
    const send = async (name: string, place: string, link: unknown): Promise<void> => {
      const id = `hostile-${ids.length}`
      ids.push(id)
      if (place === 'chord') await chord!.begin({ groupId: id, size: 1, expiresInMs: 60_000 })
      const embed = { [place]: place === 'chord' ? link : [link] }
      const body = JSON.stringify([
        [],
        {},
        { callbacks: null, errbacks: null, chain: null, chord: null, ...embed },
      ])
      await connection.publish({
        ...{ exchange: '', routingKey: 'celery', contentType: 'application/json', contentEncoding: 'utf-8' },
        headers: { lang: 'py', task: name, id, group: place === 'chord' ? id : null, group_index: 0 },
        properties: { correlationId: id },
        body: new TextEncoder().encode(body),
      })
    }
    for (const name of ['proj.ends', 'proj.fails'])
      for (const place of ['callbacks', 'errbacks', 'chain', 'chord'])
        for (const option of options)
          for (const value of values) {
            const link = { ...task, options: { task_id: `${option}`, [option]: value } }
            await send(name, place, link)
            if (nightly) await send(name, place, group([link, link]))
          }
    await expect
      .poll(
        async () => (await app.context.results.getMetas(ids)).filter(({ status }) => status === 'PENDING'),
        {
          timeout: 60_000,
        },
      )
      .toEqual([])
    expect(ids.filter((id) => runs.get(id) !== 1)).toEqual([])
    expect(
      lines.filter((line) => /INTERNAL ERROR|Cannot read|is not a function|is not iterable/.test(line)),
    ).toEqual([])
  })

  it.each(['callbacks', 'errbacks', 'chain', 'chord'])(
    'CANVAS-92: chords nested 10,000 deep as %s cost one task and few lines',
    async (place) => {
      const connection = await app.context.producer.connection()
      const leaf = JSON.stringify(task)
      const open = `{"task":"celery.chord","args":[],"options":{},"subtask_type":"chord","immutable":false,"kwargs":{"kwargs":{},"header":[${leaf}],"body":`
      const deep = open.repeat(10_000) + leaf + '}}'.repeat(10_000)
      const id = `deep-${place}`
      const links = { callbacks: 'null', errbacks: 'null', chain: 'null', chord: 'null' }
      const { chord } = await app.context.results.connection()
      if (place === 'chord') await chord!.begin({ groupId: id, size: 1, expiresInMs: 60_000 })
      const embed = { ...links, [place]: place === 'chord' ? deep : `[${deep}]` }
      const text = Object.entries(embed).map(([key, value]) => `"${key}":${value}`)
      const name = place === 'errbacks' ? 'proj.fails' : 'proj.ends'
      const before = process.memoryUsage().heapUsed
      await connection.publish({
        ...{ exchange: '', routingKey: 'celery', contentType: 'application/json', contentEncoding: 'utf-8' },
        headers: { lang: 'py', task: name, id, group: place === 'chord' ? id : null, group_index: 0 },
        properties: { correlationId: id },
        body: new TextEncoder().encode(`[[],{},{${text.join()}}]`),
      })
      await expect.poll(() => lines.length, { timeout: 20_000 }).toBeGreaterThan(0)
      // The worker goes on.
      const next = await app.sendTask<number>('proj.add', { args: [1, 1] })
      expect(await next.get({ timeoutMs: 20_000 })).toBe(2)
      expect(lines.length).toBeLessThan(4)
      expect(lines.join().length).toBeLessThan(4000)
      expect(process.memoryUsage().heapUsed - before).toBeLessThan(200 * 2 ** 20)
    },
  )
})

const options = [
  ...[
    'task_id',
    'reply_to',
    'root_id',
    'parent_id',
    'group_id',
    'group_index',
    'chord',
    'chain',
    'link',
    'link_error',
  ],
  ...[
    'queue',
    'exchange',
    'exchange_type',
    'routing_key',
    'priority',
    'delivery_mode',
    'serializer',
    'compression',
  ],
  ...[
    'countdown',
    'eta',
    'expires',
    'time_limit',
    'soft_time_limit',
    'shadow',
    'headers',
    'ignore_result',
    'retry',
  ],
  ...[
    'retry_policy',
    'stamped_headers',
    'replaced_task_nesting',
    'add_to_parent',
    'mandatory',
    'declare',
    'retries',
  ],
  ...[
    'publish_timeout_ms',
    'argsrepr',
    'route_name',
    'interval',
    'max_retries',
    'origin',
    'immutable',
    'constructor',
  ],
]
