/** Beat on the memory broker and a clock of the test's own. */
import { randomUUID } from 'node:crypto'
import { memory, memoryBroker, memoryScheduleStore } from '@ct/broker-memory'
import { App, type AppOptions } from '@ct/client'
import type { Delivery, ScheduleStore } from '@ct/contracts'
import { recordingLogger, type RecordingLogger } from '@ct/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { VirtualTime, type VirtualClock } from '../../test/virtual-time.ts'
import { addPeriodicTask } from '../add-periodic-task.ts'
import { BaseSchedule, clocked, crontab, interval, type ScheduleData } from '../schedule/index.ts'
import { createBeat, type Beat } from './beat.ts'
import type { BeatOptions } from './beat-options.ts'
import { firingId } from './firing-id.ts'
import type { SentFiring } from './firing-sender.ts'

const start = Date.UTC(2026, 2, 1, 12, 0, 0)
const at = (seconds: number): string => new Date(start + seconds * 1000).toISOString()

let time: VirtualTime
let hub: string
let logger: RecordingLogger
const closing: { close(): Promise<unknown> }[] = []

beforeEach(() => {
  time = new VirtualTime(start)
  hub = randomUUID()
  logger = recordingLogger()
})
afterEach(async () => {
  for (const clock of time.clocks) clock.stopped = false
  for (const one of closing.splice(0).toReversed()) await one.close()
  time.end()
})

function app(settings: AppOptions = {}): App {
  const made = new App({
    name: 'proj',
    broker: `memory://${hub}`,
    adapters: [memory],
    environment: {},
    logger,
    ...settings,
  })
  closing.push(made)
  return made
}

function store(): ScheduleStore {
  return memoryScheduleStore({ url: `memory://${hub}` })
}

interface Run {
  readonly beat: Beat
  readonly clock: VirtualClock
  readonly sent: SentFiring[]
}

async function run(made: App, options: BeatOptions = {}): Promise<Run> {
  const clock = time.clock()
  const beat = createBeat(made, { store: store(), clock, ...options })
  const sent: SentFiring[] = []
  beat.on('sent', (one) => void sent.push(one))
  closing.push({
    close: async () => {
      clock.ended = true
      await beat.stop()
    },
  })
  await beat.start()
  return { beat, clock, sent }
}

const times = (sent: readonly SentFiring[], name?: string): string[] =>
  sent
    .filter((one) => name === undefined || one.name === name)
    .map(({ scheduledAt }) => scheduledAt.toISOString())

/** What stands in a queue. */
async function messages(queue = 'celery'): Promise<Delivery[]> {
  const broker = memoryBroker({ url: `memory://${hub}` })
  const connection = await broker.connect({ onNotice: () => undefined })
  const found: Delivery[] = []
  const consumer = await connection.openConsumer({
    credit: Infinity,
    onDelivery: (one) => void found.push(one),
  })
  await consumer.subscribe([
    { queue: { name: queue, durable: true, exclusive: false, autoDelete: false, bindings: [] }, noAck: true },
  ])
  for (let turn = 0; turn < 50; turn++) await new Promise<void>((resolve) => setImmediate(resolve))
  await broker.close()
  return found
}

describe('beat', () => {
  it('BEAT-1, BEAT-2, BEAT-3, BEAT-6: sends each entry when it is due: a new interval after one interval, a crontab at its next time', async () => {
    const { sent } = await run(
      app({
        beatSchedule: {
          tick: { task: 'proj.tick', schedule: 10, args: [1, 'x'], kwargs: { y: 2.5 } },
          quarter: { task: 'proj.quarter', schedule: crontab({ minute: '*/15' }) },
          data: { task: 'proj.data', schedule: { type: 'crontab', minute: 1 }, options: { queue: 'other' } },
        },
      }),
    )
    await time.advance(62_000)
    expect(times(sent, 'tick')).toEqual([10, 20, 30, 40, 50, 60].map(at))
    expect(times(sent, 'quarter')).toEqual([])
    expect(times(sent, 'data')).toEqual([at(60)])
    await time.advance(15 * 60_000)
    expect(times(sent, 'quarter')).toEqual([at(900)])
    expect(sent.every(({ lateMs }) => lateMs <= 1)).toBe(true)
    expect(await messages('other')).toHaveLength(1)
  })

  it('D57-18, BEAT-59: what arrives: arguments as they were written, headers of beat, an id made of entry and instant', async () => {
    await run(
      app({
        beatSchedule: {
          tick: {
            task: 'proj.tick',
            schedule: 10,
            args: [1],
            options: { headers: { mine: 'x' }, expires: 60, priority: 3 },
          },
        },
      }),
    )
    await time.advance(10_000)
    const [message] = await messages()
    const id = firingId('proj', 'tick', 'proj.tick', start + 10_000)
    expect(message?.headers).toMatchObject({
      task: 'proj.tick',
      id,
      mine: 'x',
      celery_beat_task: true,
      periodic_task_name: 'tick',
      ct_scheduled_at: '2026-03-01T12:00:10+00:00',
      expires: '2026-03-01T12:01:10+00:00',
      ignore_result: null,
    })
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-5[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
    expect(
      new Set([
        id,
        firingId('proj', 'tick', 'proj.tick', start),
        firingId('other', 'tick', 'proj.tick', start + 10_000),
      ]).size,
    ).toBe(3)
    expect(Buffer.from(message!.body).toString()).toMatch(/^\[\[1\], \{\}, /)
  })

  it('BEAT-4: lazy arguments are asked at each send; one that throws costs its run and no more', async () => {
    let count = 0
    const { sent } = await run(
      app({
        beatSchedule: {
          lazy: { task: 'proj.lazy', schedule: 10, args: () => [++count], kwargs: () => ({ count }) },
          bad: {
            task: 'proj.bad',
            schedule: 10,
            args: () => {
              throw new Error('no arguments today')
            },
          },
        },
      }),
    )
    await time.advance(20_000)
    expect(times(sent, 'lazy')).toEqual([at(10), at(20)])
    expect(
      (await messages()).map(({ body }) => Buffer.from(body).toString().split(', {"callbacks')[0]),
    ).toEqual(['[[1], {"count": 1}', '[[2], {"count": 2}'])
    expect(logger.lines('error')).toHaveLength(2)
    expect(logger.lines('error')[0]).toContain('bad (proj.bad) could not be sent: no arguments today')
  })

  it('BEAT-5: a registered task is sent with its own options, another one by name', async () => {
    const proj = app()
    proj.task('proj.known', { queue: 'its-own', ignoreResult: true }, () => 1)
    addPeriodicTask(proj, 10, 'proj.known')
    addPeriodicTask(proj, 10, 'proj.unknown')
    await run(proj)
    await time.advance(10_000)
    expect((await messages('its-own')).map(({ headers }) => headers['ignore_result'])).toEqual([true])
    expect((await messages()).map(({ headers }) => headers['task'])).toEqual(['proj.unknown'])
  })

  it('BEAT-11: after a stop an interval runs at once, once; a crontab too, however late', async () => {
    const beatSchedule = {
      tick: { task: 'proj.tick', schedule: 10 },
      noon: { task: 'proj.noon', schedule: crontab({ minute: 0, hour: 13 }) },
    }
    const first = await run(app({ beatSchedule }))
    await time.advance(10_000)
    first.clock.ended = true
    await first.beat.stop()
    time.jump(3 * 3_600_000)
    const { sent } = await run(app({ beatSchedule }))
    await time.advance(15_000)
    expect(times(sent, 'tick')).toEqual([at(20), at(3 * 3600 + 20)])
    expect(times(sent, 'noon')).toEqual([at(3600)])
    expect(sent[0]!.lateMs).toBeGreaterThan(2 * 3_600_000)
  })

  it('PAIN-54: runs that were missed are told: in one line of the log, and with what is sent for them', async () => {
    const beatSchedule = {
      tick: { task: 'proj.tick', schedule: 10 },
      noon: { task: 'proj.noon', schedule: crontab({ minute: 0, hour: 13 }) },
    }
    const missed = (): string[] =>
      logger.records
        .filter(({ level, message }) => level === 'warn' && /missed/.test(message))
        .map(({ message }) => message)
    const first = await run(app({ beatSchedule }))
    await time.advance(20_000)
    expect(first.sent.map((one) => one.missed)).toEqual([false, false])
    first.clock.ended = true
    await first.beat.stop()
    expect(missed()).toEqual([])
    time.jump(3 * 3_600_000)
    const { sent } = await run(app({ beatSchedule }))
    await time.advance(15_000)
    // One of the crontab fell into that time, no second.
    expect(sent.map(({ name, missed: more }) => [name, more])).toEqual(
      expect.arrayContaining([
        ['tick', true],
        ['noon', false],
        ['tick', false],
      ]),
    )
    expect(missed()).toHaveLength(1)
    expect(missed()[0]).toContain(`tick (due since ${at(30)})`)
  })

  it('BEAT-30, SET-10, D57-97, D57-173: beatCronStartingDeadline leaves out what was missed by more', async () => {
    const beatSchedule = {
      late: { task: 'proj.late', schedule: crontab({ minute: 0, hour: 13 }) },
      just: { task: 'proj.just', schedule: crontab({ minute: 55, hour: 14 }) },
    }
    const first = await run(app({ beatSchedule }))
    first.clock.ended = true
    await first.beat.stop()
    time.jump(3 * 3_600_000)
    const { sent } = await run(app({ beatSchedule, beatCronStartingDeadline: 600 }))
    await time.advance(1000)
    expect(sent.map(({ name }) => name)).toEqual(['just'])
  })

  it('BEAT-10, BEAT-52: entries that the configuration no longer has go, others keep their runs under new definitions, new ones begin', async () => {
    const first = await run(
      app({
        beatSchedule: { kept: { task: 'proj.a', schedule: 100 }, gone: { task: 'proj.b', schedule: 10 } },
      }),
    )
    await first.beat.tasks.add('added', { task: 'proj.c', schedule: 1000 })
    await time.advance(50_000)
    first.clock.ended = true
    await first.beat.stop()
    const { beat, sent } = await run(
      app({
        beatSchedule: { kept: { task: 'proj.new', schedule: 60 }, fresh: { task: 'proj.d', schedule: 30 } },
      }),
    )
    await time.advance(35_000)
    expect((await beat.tasks.list()).map(({ name, origin }) => [name, origin])).toEqual([
      ['added', 'run-time'],
      ['fresh', 'configuration'],
      ['kept', 'configuration'],
    ])
    expect(sent.map(({ name, task, scheduledAt }) => [name, task, scheduledAt.toISOString()])).toEqual([
      ['kept', 'proj.new', at(60)],
      ['fresh', 'proj.d', at(80)],
    ])
  })

  it('BEAT-18, RES-70: results that nothing else deletes are cleaned up daily, unless one says otherwise', async () => {
    const without = app()
    const keeps = app({ backend: 'memory://x', resultExpires: 3600 })
    const auto = keeps.context.backend!.capabilities.autoExpire
    const names = async (made: App): Promise<string[]> => {
      const { beat } = await run(made, { store: memoryScheduleStore({ url: `memory://${randomUUID()}` }) })
      return (await beat.tasks.list()).map(({ name, schedule }) => `${name} ${schedule.describe()}`)
    }
    expect(await names(without)).toEqual([])
    expect(await names(keeps)).toEqual(auto ? [] : ['celery.backend_cleanup at 04:00 every day (UTC)'])
  })

  it('BEAT-9, BEAT-53, BEAT-63, PAIN-27: entries are added, changed, switched, run and removed while beat runs', async () => {
    const { beat, sent } = await run(app({ beatSchedule: { ours: { task: 'proj.ours', schedule: 3600 } } }))
    await beat.tasks.add('a', { task: 'proj.a', schedule: 10 })
    await time.advance(10_000)
    expect(times(sent, 'a')).toEqual([at(10)])
    await beat.tasks.change('a', { schedule: 20 })
    await time.advance(20_000)
    expect(times(sent, 'a')).toEqual([at(10), at(30)])
    await beat.tasks.disable('a')
    await time.advance(60_000)
    await beat.tasks.enable('a')
    await time.advance(25_000)
    // What was missed while it was off is not made up for.
    expect(times(sent, 'a')).toEqual([at(10), at(30), at(110)])
    const before = (await beat.tasks.get('a'))!
    await beat.tasks.runNow('a')
    expect((await beat.tasks.get('a'))!.lastRunAt).toEqual(before.lastRunAt)
    const all = await messages()
    expect(all.at(-1)!.headers).toMatchObject({
      task: 'proj.a',
      celery_beat_task: true,
      periodic_task_name: 'a',
    })
    expect(all.at(-1)!.headers).not.toHaveProperty('ct_scheduled_at')
    expect(await beat.tasks.remove('a')).toBe(true)
    expect(await beat.tasks.remove('a')).toBe(false)
    await time.advance(60_000)
    expect(times(sent, 'a')).toHaveLength(3)
    await expect(beat.tasks.change('a', {})).rejects.toMatchObject({ code: 'CT_NOT_REGISTERED' })
    await expect(beat.tasks.remove('ours')).rejects.toThrow(/declared by the program/)
    await expect(beat.tasks.add('ours', { task: 'x', schedule: 1 })).rejects.toThrow(/already/)
    await expect(beat.tasks.put('b', { task: 'x', schedule: 1, args: () => [] })).rejects.toThrow(/function/)
  })

  it('S5, BEAT-51: another process changes the store: seen within a second', async () => {
    const { sent } = await run(app())
    await time.advance(5000)
    const other = await store().connect({ onNotice: () => undefined })
    const { stored } = (await import('../entry/declare-entry.ts')).declareEntry(
      'x',
      { task: 'proj.x', schedule: 10 },
      'run-time',
    )
    await other.save({ put: [{ ...stored, lastRunAt: time.wall }] })
    await time.advance(12_000)
    expect(times(sent, 'x')).toEqual([at(15)])
    await other.close()
  })

  it('BEAT-54, BEAT-55, BEAT-56, BEAT-57, PAIN-55: start, end, a single run, an appointment', async () => {
    const { beat, sent } = await run(app())
    await beat.tasks.add('later', { task: 'proj.t', schedule: 10, startAt: new Date(start + 25_000) })
    await beat.tasks.add('ends', { task: 'proj.t', schedule: 10, expiresAt: new Date(start + 25_000) })
    await beat.tasks.add('once', { task: 'proj.t', schedule: 10, oneOff: true })
    await beat.tasks.add('date', { task: 'proj.t', schedule: clocked(new Date(start + 12_000)) })
    await beat.tasks.add('past', { task: 'proj.t', schedule: clocked(new Date(start - 60_000)) })
    await time.advance(50_000)
    expect(times(sent, 'later')).toEqual([at(25), at(35), at(45)])
    expect(times(sent, 'ends')).toEqual([at(10), at(20)])
    expect(times(sent, 'once')).toEqual([at(10)])
    expect(times(sent, 'date')).toEqual([at(12)])
    expect(times(sent, 'past')).toEqual([at(-60)])
    const enabled = new Map((await beat.tasks.list()).map((one) => [one.name, one.enabled]))
    expect([enabled.get('ends'), enabled.get('once'), enabled.get('later')]).toEqual([false, false, true])
    await beat.tasks.enable('once')
    await time.advance(15_000)
    expect(times(sent, 'once')).toEqual([at(10), at(60)])
  })

  it('D57-95: schedules that throw, answer nonsense, or are always due hold up nobody and do not spin', async () => {
    class Odd extends BaseSchedule {
      readonly kind = 'odd'
      readonly answer: () => number | undefined
      asked = 0
      constructor(answer: () => number | undefined) {
        super()
        this.answer = answer
      }
      protected following(): number | undefined {
        this.asked++
        return this.answer()
      }
      describe(): string {
        return 'oddly'
      }
      toJSON(): ScheduleData {
        return { type: 'odd' }
      }
    }
    const odd = {
      throws: new Odd(() => {
        throw new Error('broken')
      }),
      nan: new Odd(() => NaN),
      past: new Odd(() => 0),
      never: new Odd(() => undefined),
      far: new Odd(() => start + 400 * 86_400_000),
    }
    let wanted: keyof typeof odd = 'throws'
    const { beat, sent } = await run(app({ beatSchedule: { tick: { task: 'proj.tick', schedule: 10 } } }), {
      schedules: { odd: () => odd[wanted] },
    })
    for (wanted of Object.keys(odd) as (keyof typeof odd)[]) {
      await beat.tasks.add(wanted, { task: 'proj.odd', schedule: { type: 'odd' } })
      await time.advance(1)
    }
    await time.advance(29_995)
    expect(times(sent, 'tick')).toEqual([10, 20, 30].map(at))
    expect(sent.filter(({ name }) => name === 'past').length).toBeLessThan(35)
    expect(sent.filter(({ name }) => ['throws', 'nan', 'never', 'far'].includes(name))).toEqual([])
    for (const schedule of Object.values(odd)) expect(schedule.asked).toBeLessThan(400)
    expect(logger.lines('error').filter((line) => line.includes('"throws" cannot say when'))).toHaveLength(1)
  })

  it('a store with rows that do not parse says so by name and runs the rest', async () => {
    const other = await store().connect({ onNotice: () => undefined })
    const { declareEntry } = await import('../entry/declare-entry.ts')
    const { stored } = declareEntry('good', { task: 'proj.t', schedule: 10 }, 'run-time')
    await other.save({
      put: [
        { ...stored, lastRunAt: start },
        { ...stored, name: 'cron', schedule: { type: 'crontab', minute: '61' } },
        { ...stored, name: 'type', schedule: { type: 'lunar' } },
        { ...stored, name: 'zone', schedule: { type: 'crontab', timezone: 'Mars/Olympus' } },
        { ...stored, name: 'args', args: '{"not": "a list"}' },
        { ...stored, name: 'kwargs', kwargs: 'nonsense' },
        { ...stored, name: 'options', options: '[]' },
        { ...stored, name: 'instant', startAt: 1e300 },
      ],
    })
    const { beat, sent } = await run(app())
    await time.advance(10_000)
    expect(sent.map(({ name }) => name)).toEqual(['good'])
    const lines = logger.lines('error')
    for (const name of ['cron', 'type', 'zone', 'args', 'kwargs', 'options', 'instant'])
      expect(lines.filter((line) => line.includes(`"${name}" of the store cannot be read`))).toHaveLength(1)
    expect((await beat.tasks.broken()).map(({ name }) => name).toSorted()).toEqual([
      'args',
      'cron',
      'instant',
      'kwargs',
      'options',
      'type',
      'zone',
    ])
    await other.close()
  })

  it.each([
    [{ task: 'x', schedule: crontab }, /schedule/],
    [{ task: '', schedule: 10 }, /task/],
    [{ task: 'x' }, /schedule/],
    [{ task: 'x', schedule: -1 }, /more than 0/],
    [{ task: 'x', schedule: NaN }, /more than 0/],
    [{ task: 'x', schedule: { type: 'crontab', hour: 24 } }, /hour 24 is out of range.*0 to 23/],
    [{ task: 'x', schedule: { type: 'crontab', timezone: 'Mars/Olympus' } }, /No zone named "Mars\/Olympus"/],
    [{ task: 'x', schedule: 10, args: 'abc' }, /args is "abc"; allowed is a list/],
    [{ task: 'x', schedule: 10, options: { que: 'x' } }, /Unknown calling option "que"/],
    [{ task: 'x', schedule: 10, options: { taskId: 'x' } }, /taskId/],
    [{ task: 'x', schedule: 10, startAt: '2026-03-01' }, /offset/],
    [{ task: 'x', schedule: 10, argz: [] }, /no field "argz".*args/],
    [{ task: 'x', schedule: crontab(), relative: true }, /relative/],
  ])('an entry that is wrong is refused where beat is made: %j', (entry, message) => {
    expect(() => createBeat(app({ beatSchedule: { bad: entry } }), { store: store() })).toThrow(message)
    expect(() => createBeat(app({ beatSchedule: { bad: entry } }), { store: store() })).toThrow(/"bad"/)
  })

  it.each([
    [{ maxInterval: -1 }, /maxInterval is -1/],
    [{ maxInterval: NaN }, /maxInterval is NaN/],
    [{ leaseMs: 0 }, /leaseMs/],
    [{ maxIntervall: 5 }, /maxInterval/],
    [{ store: 'django' }, /django-celery-beat/],
    [{ store: {} }, /schedule-store/],
  ])('an option that is wrong is refused: %j', (options, message) => {
    expect(() => createBeat(app(), options as BeatOptions)).toThrow(message)
  })

  it('BEAT-7, SET-11: the longest sleep, by option and setting; 0 is the default of 300 s', () => {
    expect(createBeat(app(), { store: store() }).maxIntervalMs).toBe(300_000)
    expect(createBeat(app(), { store: store(), maxInterval: 0 }).maxIntervalMs).toBe(300_000)
    expect(createBeat(app({ beatMaxLoopInterval: 5 }), { store: store() }).maxIntervalMs).toBe(5000)
    expect(
      createBeat(app({ beatMaxLoopInterval: 5 }), { store: store(), maxInterval: 2 }).maxIntervalMs,
    ).toBe(2000)
  })

  it('a zone that does not exist is refused with its name', () => {
    expect(() =>
      createBeat(
        app({ timezone: 'Europe/Atlantis', beatSchedule: { a: { task: 'x', schedule: crontab() } } }),
        { store: store() },
      ),
    ).toThrow(/Europe\/Atlantis/)
  })

  it('APP-67: addPeriodicTask takes a name, a task, a signature; returns its key, warns of a twin, refuses what is wrong', () => {
    const proj = app()
    const add = proj.task('proj.add', (x: number, y: number) => x + y)
    expect(addPeriodicTask(proj, 30, add.s(2, 2))).toBe('proj.add([2, 2], {})')
    expect(addPeriodicTask(proj, crontab({ hour: 7 }), add, { name: 'seven' })).toBe('seven')
    expect(logger.lines('warn')).toEqual([])
    addPeriodicTask(proj, interval({ minutes: 1 }), add.s(2, 2))
    expect(logger.lines('warn')).toHaveLength(1)
    expect(() => addPeriodicTask(proj, -1, add.s(2, 2))).toThrow(/more than 0/)
    expect(createBeat(proj, { store: store() })).toBeDefined()
  })

  it('SIG-27: beatInit, and beatEmbeddedInit where it runs inside a worker', async () => {
    for (const embedded of [false, true]) {
      const proj = app()
      const seen: string[] = []
      proj.signals.beatInit.connect(({ sender }) => seen.push(`init ${String(sender.app === proj)}`))
      proj.signals.beatEmbeddedInit.connect(() => seen.push('embedded'))
      await run(proj, { embedded, store: memoryScheduleStore({ url: `memory://${randomUUID()}` }) })
      expect(seen).toEqual(embedded ? ['init true', 'embedded'] : ['init true'])
    }
  })
})

describe('several beats', () => {
  it('PAIN-30, S4: one sends; when it stops the next one does at once, and when it is silent within its lease', async () => {
    const beatSchedule = { tick: { task: 'proj.tick', schedule: 10 } }
    const one = await run(app({ beatSchedule }), { leaseMs: 6000 })
    const two = await run(app({ beatSchedule }), { leaseMs: 6000 })
    expect([one.beat.status, two.beat.status]).toEqual(['leading', 'standby'])
    await time.advance(30_000)
    expect([one.sent.length, two.sent.length]).toEqual([3, 0])
    // As by SIGSTOP.
    one.clock.stopped = true
    await time.advance(20_000)
    expect(two.beat.status).toBe('leading')
    expect(times(two.sent)).toEqual([at(40), at(50)])
    one.clock.stopped = false
    await time.advance(10_000)
    expect(one.beat.status).toBe('standby')
    expect(one.sent).toHaveLength(3)
    two.clock.ended = true
    await two.beat.stop()
    await time.advance(10_000)
    expect(one.beat.status).toBe('leading')
    const ids = (await messages()).map(({ headers }) => headers['id'])
    expect(ids).toHaveLength(7)
    expect(new Set(ids).size).toBe(7)
  })

  it('where the broker is elsewhere, a leader whose lease is over sends nothing', async () => {
    const other = randomUUID()
    const beatSchedule = { tick: { task: 'proj.tick', schedule: 10 } }
    const elsewhere = (): ScheduleStore => memoryScheduleStore({ url: `memory://${other}` })
    const one = await run(app({ beatSchedule }), { leaseMs: 6000, store: elsewhere() })
    const two = await run(app({ beatSchedule }), { leaseMs: 6000, store: elsewhere() })
    await time.advance(10_000)
    one.clock.stopped = true
    await time.advance(30_000)
    one.clock.stopped = false
    await time.advance(10_000)
    expect([one.sent.length, two.sent.length]).toEqual([1, 4])
    expect(new Set((await messages()).map(({ headers }) => headers['id'])).size).toBe(5)
  })
})
