/** Chords that would never end: a lost part, a finisher that is gone; on a real Redis, with several workers. */
import { freshRedis, tryServices, type FreshRedis } from '@ct-tools/services'
import { redisBackend, redisBroker } from '@ct/broker-redis'
import { chord, createApp, type App, type AsyncResult, type Logger, type Signature } from '@ct/client'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { createWorker, type Worker } from '../index.ts'

const present = (await tryServices(['redis'])) !== undefined
const quiet: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  critical: (message, fields) => console.error(message, fields),
  child: () => quiet,
}

describe.skipIf(!present)('chords that stay open', () => {
  let redis: FreshRedis
  let connection: Awaited<ReturnType<FreshRedis['connect']>>
  const started: { app: App; worker: Worker }[] = []

  beforeEach(async () => {
    redis = await freshRedis()
    connection = await redis.connect()
  })
  afterEach(async () => {
    for (const { app, worker } of started.splice(0)) {
      await worker.stop()
      await app.close()
    }
    connection.close()
    await redis.release()
  })

  async function start(
    settings: Record<string, unknown>,
    name = 'ct@open',
  ): Promise<{ app: App; worker: Worker }> {
    const app = createApp({
      name: 'open',
      broker: redisBroker({ url: redis.url }),
      backend: redisBackend({ url: redis.url }),
      logger: quiet,
      ...settings,
    })
    app.task('open.one', (x: number) => x)
    app.task('open.sum', (numbers: number[]) => numbers.reduce((sum, one) => sum + one, 0))
    const worker = createWorker(app, { hostname: name, withoutMingle: true, withoutHeartbeat: true })
    await worker.start()
    const one = { app, worker }
    started.push(one)
    return one
  }

  /** A chord of three, of which one waits in a queue that nobody consumes. */
  async function sendOpen(app: App): Promise<AsyncResult> {
    const one = (x: number, queue?: string): Signature =>
      app.signature('open.one', { args: [x], ...(queue === undefined ? {} : { queue }) }) as Signature
    const canvas = chord(
      [one(1), one(2), one(3, 'lost')],
      app.signature('open.sum') as never,
    ) as unknown as Signature
    return (await canvas.applyAsync()) as AsyncResult
  }

  /** A chord of two that wait in that queue, sent by a process that is gone: the id of its body. */
  async function sendLost(): Promise<string> {
    const sender = createApp({
      name: 'sender',
      broker: redisBroker({ url: redis.url }),
      backend: redisBackend({ url: redis.url }),
      logger: quiet,
    })
    const lost = (x: number): Signature =>
      sender.signature('open.one', { args: [x], queue: 'lost' }) as Signature
    const canvas = chord([lost(1), lost(2)], sender.signature('open.sum') as never) as unknown as Signature
    const { id } = (await canvas.applyAsync()) as AsyncResult
    await sender.close()
    return id
  }

  const chords = async (app: App): Promise<Record<string, unknown>[]> => {
    const replies = (await app.control.broadcast('chords', {
      reply: true,
      timeoutMs: 20_000,
      limit: 1,
    })) as Record<string, unknown>[]
    return replies.flatMap((reply) => Object.values(reply) as Record<string, unknown>[][]).flat()
  }

  it('CANVAS-70: a lost part fails the chord with a reason, within the time that was set', async () => {
    const { app } = await start({ chordSweepIntervalMs: 100, chordStallTimeoutMs: 400 })
    const result = await sendOpen(app)
    await expect(result.get({ timeoutMs: 20_000 })).rejects.toThrow(
      /has 2 of 3 parts and no new one for 0\.4 s: the others are lost; there are /,
    )
    // What comes after all changes nothing.
    await app.control.addConsumer('lost')
    await expect.poll(async () => await connection.command('LLEN', 'lost')).toBe(0)
    expect(await result.state()).toBe('FAILURE')
    expect(await connection.command('HLEN', 'celery-taskset-meta-ct.open')).toBe(0)
  })

  it('CANVAS-70: a chord of which no part ever came, sent by a process that is gone, fails too', async () => {
    const id = await sendLost()
    const { app } = await start({ chordSweepIntervalMs: 100, chordStallTimeoutMs: 400 })
    await expect(app.asyncResult(id).get({ timeoutMs: 20_000 })).rejects.toThrow(
      /has 0 of 2 parts and no new one for 0\.4 s: the others are lost$/,
    )
    await expect.poll(() => connection.command('HLEN', 'celery-taskset-meta-ct.open')).toBe(0)
  })

  const partKey = (id: unknown, part: string): string => `celery-taskset-meta-${String(id)}.${part}`
  /** When two of its three parts have come, and the note on it says so: the id of its group. */
  const openGroup = async (app: App): Promise<unknown> => {
    await expect.poll(async () => (await chords(app))[0]?.['count']).toBe(2)
    await expect
      .poll(async () => String(await connection.command('HVALS', 'celery-taskset-meta-ct.open')))
      .toContain('"count": 2, "size": 3')
    return (await chords(app))[0]!['group_id']
  }

  it('CANVAS-70: a store that throws away the size of a chord is told it again', async () => {
    const { app } = await start({ chordSweepIntervalMs: 50, chordStallTimeoutMs: 3000 })
    const first = await sendOpen(app)
    const id = await openGroup(app)
    await connection.command('DEL', partKey(id, 's'))
    await expect.poll(() => connection.command('GET', partKey(id, 's'))).toBe('3')
    await app.control.addConsumer('lost')
    expect(await first.get({ timeoutMs: 20_000 })).toBe(6)
    await expect.poll(() => chords(app)).toEqual([])
    // A chord that has failed has no size either, but its body has a result: it is left alone.
    await app.control.cancelConsumer('lost')
    const third = await sendOpen(app)
    const ended = await openGroup(app)
    const failed = { status: 'FAILURE', result: null, traceback: null, task_id: third.id }
    await connection.command('SET', `celery-task-meta-${third.id}`, JSON.stringify(failed))
    await connection.command('DEL', partKey(ended, 's'))
    await expect.poll(() => connection.command('HLEN', 'celery-taskset-meta-ct.open')).toBe(0)
    expect(await connection.command('EXISTS', partKey(ended, 's'))).toBe(0)
  })

  it('CANVAS-70: a store that throws away what the members of a chord gave makes it fail', async () => {
    const { app } = await start({
      chordSweepIntervalMs: 50,
      chordStallTimeoutMs: 3000,
      resultChordJoinTimeout: 0.1,
    })
    const result = await sendOpen(app)
    await connection.command('DEL', partKey(await openGroup(app), 'j'))
    await expect(result.get({ timeoutMs: 20_000 })).rejects.toThrow(
      /has 0 of 3 parts .* 2 have come, but the store has lost what 2 of them gave/,
    )
  })

  it('CANVAS-70: the note on a chord goes with the chord', async () => {
    const { app } = await start({ chordSweepIntervalMs: 60_000 })
    const one = (x: number): Signature => app.signature('open.one', { args: [x] }) as Signature
    const sum = app.signature('open.sum') as never
    const result = (await (chord([one(1), one(2)], sum) as unknown as Signature).applyAsync()) as AsyncResult
    expect(await result.get({ timeoutMs: 20_000 })).toBe(3)
    await expect.poll(() => connection.command('HLEN', 'celery-taskset-meta-ct.open')).toBe(0)
  })

  it('CANVAS-70: a chord of which a key holds something else fails, and disturbs no other task', async () => {
    const { app, worker } = await start({})
    await connection.command('SET', 'celery-taskset-meta-G.j', 'something else')
    const sends = [1, 2, 3, 4, 5, 6].map((x) =>
      app.sendTask<number>('open.one', {
        args: [x],
        ...(x > 2
          ? {}
          : { chord: app.signature('open.sum', { taskId: 'body' }), groupId: 'G', groupIndex: x }),
      }),
    )
    const results = await Promise.all(sends)
    expect(await Promise.all(results.map((one) => one.get({ timeoutMs: 20_000 })))).toEqual([
      1, 2, 3, 4, 5, 6,
    ])
    await expect(app.asyncResult('body').get({ timeoutMs: 20_000 })).rejects.toThrow(
      /^The part of .* could not be recorded: .*WRONGTYPE/,
    )
    await worker.stop()
    expect(await connection.command('HLEN', 'unacked')).toBe(0)
    expect(await connection.command('LLEN', 'celery')).toBe(0)
  })

  it('CTRL-44: inspect chords tells what waits for whom; chord_fail ends it', async () => {
    const { app } = await start({ chordSweepIntervalMs: 50 })
    const result = await sendOpen(app)
    await expect
      .poll(() => chords(app))
      .toMatchObject([
        {
          body: 'open.sum',
          body_id: result.id,
          count: 2,
          total: 3,
          reported: [expect.any(String), expect.any(String)],
        },
      ])
    const [{ group_id: id, fails_in: left }] = (await chords(app)) as [Record<string, unknown>]
    // Nine tenths of the day for which parts are kept.
    expect(left).toBeGreaterThan(77_000)
    const answers = await app.control.broadcast('chord_fail', {
      arguments: { group_id: id, reason: 'no longer wanted' },
      reply: true,
      timeoutMs: 20_000,
      limit: 1,
    })
    expect(JSON.stringify(answers)).toContain(`chord ${String(id)} failed`)
    await expect(result.get({ timeoutMs: 20_000 })).rejects.toThrow('no longer wanted')
    expect(await chords(app)).toEqual([])
  })

  it('D57-3: another worker goes on where the one that watched is gone', async () => {
    const first = await start({ chordSweepIntervalMs: 50 }, 'ct@first')
    const result = await sendOpen(first.app)
    const notes = async (): Promise<unknown> =>
      await connection.command('HLEN', 'celery-taskset-meta-ct.open')
    await expect.poll(async () => (await chords(first.app))[0]?.['count']).toBe(2)
    await expect.poll(notes).toBe(1)
    await first.worker.stop()
    const { app } = await start({ chordSweepIntervalMs: 50, chordStallTimeoutMs: 300 }, 'ct@second')
    await expect(app.asyncResult(result.id).get({ timeoutMs: 20_000 })).rejects.toThrow(/has 2 of 3 parts/)
  })

  /** As a worker leaves it that dies between the last part and the body: all parts, and a claim that has run out. */
  async function addPart(groupId: unknown, index: number, value: number): Promise<void> {
    const key = `celery-taskset-meta-${String(groupId)}`
    await connection.command('SADD', `${key}.d`, `gone${index}:${index}`)
    await connection.command('ZADD', `${key}.j`, index, `[1,"gone${index}","SUCCESS",${value}]`)
  }

  it('D57-3, PAIN-16: a complete chord whose finisher is gone gets its body from whoever looks after it', async () => {
    const id = await sendLost()
    const notes = 'celery-taskset-meta-ct.open'
    const [groupId] = (await connection.command('HKEYS', notes)) as [string]
    await addPart(groupId, 0, 1)
    await addPart(groupId, 1, 2)
    // All that was long ago.
    const note = JSON.parse(String(await connection.command('HGET', notes, groupId))) as object
    const before = { since: 0, progress_at: 0 }
    await connection.command('HSET', notes, groupId, JSON.stringify({ ...note, ...before }))
    const { app } = await start({ chordSweepIntervalMs: 50 })
    expect(await app.asyncResult(id).get({ timeoutMs: 20_000 })).toBe(3)
  })

  it('D57-3, PAIN-16: a chord whose sender told its size behind its last part is completed at once', async () => {
    const { app } = await start({ chordSweepIntervalMs: 60_000 })
    const body = app.signature('open.sum', { taskId: 'late-body' }) as Signature
    // As a client of Celery does it whose last member has no part: the members are sent, then the size is told.
    await (app.signature('open.one', { args: [4] }) as Signature).applyAsync({
      taskId: 'late-member',
      groupId: 'late',
      groupIndex: 0,
      chord: body,
    } as never)
    await expect.poll(() => connection.command('EXISTS', partKey('late', 'd'))).toBe(1)
    await connection.command('SET', partKey('late', 's'), '1')
    expect(await app.asyncResult('late-body').get({ timeoutMs: 20_000 })).toBe(4)
  })

  it('D57-3, PAIN-16: chord_repair sends the body of a complete chord', async () => {
    const { app } = await start({ chordSweepIntervalMs: 60_000 })
    const result = await sendOpen(app)
    await expect.poll(async () => (await chords(app))[0]?.['count']).toBe(2)
    const [{ group_id: id }] = (await chords(app)) as [Record<string, unknown>]
    await addPart(id, 2, 3)
    await expect
      .poll(
        async () =>
          JSON.stringify(
            await app.control.broadcast('chord_repair', {
              arguments: { group_id: id },
              reply: true,
              timeoutMs: 20_000,
              limit: 1,
            }),
          ),
        { timeout: 15_000 },
      )
      .toContain('its body is sent')
    expect(await result.get({ timeoutMs: 20_000 })).toBe(6)
  })

  it('with Celery’s defaults nobody watches', async () => {
    const { app } = await start({ defaults: 'celery' })
    await sendOpen(app)
    await expect.poll(async () => await connection.command('KEYS', 'celery-taskset-meta-*.d')).toHaveLength(1)
    expect(await chords(app)).toEqual([])
  })
})
