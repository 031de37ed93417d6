/** What the settings of beat do, and what happens when a server is away. */
import { randomUUID } from 'node:crypto'
import { existsSync, mkdtempSync, rmSync } from 'node:fs'
import { readFile, rm, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { memory, memoryBroker, memoryScheduleStore } from '@ct/broker-memory'
import { App, type AppOptions } from '@ct/client'
import type { ScheduleStore } from '@ct/contracts'
import { chaosBroker, recordingLogger, type RecordingLogger } from '@ct/testing'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { VirtualTime, type VirtualClock } from '../../test/virtual-time.ts'
import { createBeat, type Beat } from './beat.ts'
import type { BeatOptions } from './beat-options.ts'

let time: VirtualTime
let folder: string
let hub: string
let logger: RecordingLogger
const closing: { close(): Promise<unknown> }[] = []

beforeEach(() => {
  time = new VirtualTime(Date.UTC(2026, 2, 1, 12))
  folder = mkdtempSync(join(tmpdir(), 'ct-beat-'))
  hub = randomUUID()
  logger = recordingLogger()
})
afterEach(async () => {
  for (const clock of time.clocks) clock.stopped = false
  for (const one of closing.splice(0).toReversed()) await one.close()
  time.end()
  rmSync(folder, { recursive: true })
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

async function run(
  made: App,
  options: BeatOptions = {},
): Promise<{ readonly beat: Beat; readonly clock: VirtualClock; sent: number }> {
  const clock = time.clock()
  const beat = createBeat(made, { clock, ...options })
  const state = { beat, clock, sent: 0 }
  beat.on('sent', () => state.sent++)
  closing.push({
    close: async () => {
      clock.ended = true
      await beat.stop()
    },
  })
  await beat.start()
  return state
}

const beatSchedule = { tick: { task: 'proj.tick', schedule: 10 } }

describe('settings of beat', () => {
  it('SET-12, SET-13, SET-14, BEAT-20: beatSchedule, beatScheduler and beatScheduleFilename say what is kept where', async () => {
    const path = join(folder, 'deep', 'schedule')
    for (const beatScheduler of ['file', 'celery.beat:PersistentScheduler'])
      expect(createBeat(app({ beatScheduler, beatScheduleFilename: path })).storeUrl).toBe(`file://${path}`)
    expect(createBeat(app({ beatScheduler: 'celery.beat:Scheduler' })).storeUrl).toMatch(/^memory:/)
    expect(createBeat(app({ beatScheduler: 'broker' })).storeUrl).toBe(`memory://${hub}`)
    expect(createBeat(app(), { scheduleFilename: path }).storeUrl).toBe(`file://${path}`)
    await run(app({ beatSchedule, beatScheduleFilename: path }))
    expect(existsSync(path)).toBe(true)
    expect(app({ defaults: 'celery' }).settings).toMatchObject({
      beatScheduleFilename: 'celerybeat-schedule',
      beatScheduler: 'celery.beat:PersistentScheduler',
      beatSyncEvery: 0,
    })
  })

  it.each([
    [1, 6],
    [3, 2],
    [0, 0],
  ])(
    'SET-15, BEAT-8: beatSyncEvery %i saves six sends in %i steps, and the rest at the end',
    async (beatSyncEvery, saves) => {
      const path = join(folder, 'schedule')
      const { beat, clock } = await run(app({ beatSchedule, beatSyncEvery }), { scheduleFilename: path })
      const lines = async (): Promise<number> =>
        (await readFile(path, 'utf8')).split('\n').filter((line) => line.includes('"runs"')).length
      await time.advance(60_000)
      while ((await lines()) < saves) await new Promise((resolve) => setTimeout(resolve, 5))
      expect(await lines()).toBe(saves)
      clock.ended = true
      await beat.stop()
      expect(await readFile(path, 'utf8')).toContain('"totalRunCount":6')
    },
  )

  it('BEAT-21, PAIN-55: a changed time zone keeps the runs: they are instants', async () => {
    const path = join(folder, 'schedule')
    const first = await run(app({ beatSchedule }), { scheduleFilename: path })
    await time.advance(20_000)
    first.clock.ended = true
    await first.beat.stop()
    const { beat } = await run(app({ beatSchedule, timezone: 'Asia/Tokyo', enableUtc: false }), {
      scheduleFilename: path,
    })
    expect((await beat.tasks.get('tick'))?.totalRunCount).toBe(2)
    expect(logger.lines('warn')).toEqual([])
  })

  it('BEAT-17: a scheduler of one’s own is a store; one that is none is refused', async () => {
    const store = memoryScheduleStore({ url: `memory://${randomUUID()}` })
    const state = await run(app({ beatSchedule }), { store })
    await time.advance(20_000)
    expect(state.sent).toBe(2)
    expect(() => createBeat(app({ beatScheduler: 'proj.schedulers:Mine' }))).toThrow(
      /no scheduler "proj.schedulers:Mine".*app\.beat/,
    )
    expect(() => createBeat(app({ beatScheduler: 'amqp://localhost' }))).toThrow(/amqp/)
  })

  it('BEAT-13: a broker that is away costs no run: the firing waits, under its id, and what was due meanwhile is one', async () => {
    const chaos = chaosBroker(memoryBroker({ url: `memory://${hub}` }), { seed: 1 })
    const made = app({ broker: chaos, taskPublishRetry: false })
    const state = await run(made, {
      store: memoryScheduleStore({ url: `memory://${randomUUID()}` }),
      entries: beatSchedule,
    })
    await time.advance(10_000)
    expect(state.sent).toBe(1)
    chaos.chaos.setFaults({ publish: 1 })
    await time.advance(35_000)
    expect(state.sent).toBe(1)
    expect(logger.lines('warn').filter((line) => line.includes('could not be sent yet'))).toHaveLength(1)
    chaos.chaos.setFaults({})
    await time.advance(40_000)
    // The one of the outage, and then every ten seconds again.
    expect(state.sent).toBeGreaterThanOrEqual(3)
    expect(state.sent).toBeLessThanOrEqual(6)
  })

  it('D57-13, D57-111, D57-172: as a node it answers ping and nothing else, and is silent when it has not turned for too long', async () => {
    const proj = app({ beatEnableRemoteControl: true, beatRemoteControlMaxTickAge: 60 })
    const store = memoryScheduleStore({ url: `memory://${randomUUID()}` })
    const { clock, beat } = await run(proj, { store, hostname: 'mine@%h' })
    const nodes = async (): Promise<string[]> =>
      Object.keys((await proj.control.inspect({ timeoutMs: 100 }).ping()) ?? {})
    while ((await nodes()).length === 0);
    await expect.poll(nodes).toEqual([beat.hostname])
    expect(beat.hostname).toMatch(/^mine@/)
    expect(Object.keys((await proj.control.inspect({ timeoutMs: 100 }).stats()) ?? {})).toEqual([])
    clock.stopped = true
    await time.advance(59_000)
    await expect.poll(nodes).toEqual([beat.hostname])
    await time.advance(2000)
    expect(await nodes()).toEqual([])
    clock.stopped = false
    await time.advance(1000)
    await expect.poll(nodes).toEqual([beat.hostname])
    // Inside a worker it is no node of its own.
    await run(proj, { store, embedded: true, hostname: 'inside@%h' })
    await expect.poll(nodes).toEqual([beat.hostname])
  })

  it('BEAT-12: a beat whose schedule file another process has taken sends no more, and goes on from it when that one is gone', async () => {
    const path = join(folder, 'schedule')
    const theirs = { host: hostname(), pid: process.ppid, id: 'other' }
    const state = await run(app({ beatSchedule, beatScheduleFilename: path }))
    const failing = vi.fn<(error: Error) => void>()
    state.beat.on('failing', failing)
    await time.advance(10_000)
    expect(state.sent).toBe(1)
    // Held up for longer than a lock holds, and somebody came.
    state.clock.stopped = true
    await time.advance(30_000)
    await writeFile(`${path}.lock`, JSON.stringify(theirs))
    state.clock.stopped = false
    await time.advance(60_000)
    expect(state.sent).toBe(1)
    expect(state.beat.status).toBe('standby')
    expect(failing.mock.calls.map(([error]) => error.message)).toContainEqual(
      expect.stringContaining(`in use by process ${process.ppid}`),
    )
    await rm(`${path}.lock`)
    await time.advance(20_000)
    expect(state.beat.status).toBe('leading')
    // The one that was missed, and one in time.
    expect(state.sent).toBeGreaterThanOrEqual(2)
    expect(state.sent).toBeLessThanOrEqual(4)
  })

  it('a store that gives no answer any more does not hold up the end', async () => {
    const memoryStore = memoryScheduleStore({ url: `memory://${hub}` })
    const store: ScheduleStore = {
      ...memoryStore,
      connect: async (options) => ({
        ...(await memoryStore.connect(options)),
        resign: () => new Promise(() => undefined),
      }),
    }
    const { beat, clock } = await run(app({ beatSchedule }), { store })
    expect(beat.status).toBe('leading')
    clock.ended = true
    vi.useFakeTimers({ toFake: ['Date', 'setTimeout', 'clearTimeout'], now: time.wall })
    const stopping = beat.stop()
    await vi.advanceTimersByTimeAsync(10_000)
    await stopping
    expect(logger.lines('error')).toEqual([expect.stringContaining('could not be saved within 5 s')])
  })

  it('S2, BEAT-60: rows that cannot be read and entries that go are told in lines that people can read', async () => {
    const store = memoryScheduleStore({ url: `memory://${hub}` })
    const many = Object.fromEntries(
      Array.from({ length: 30 }, (_, index) => [`e${index}`, { task: 'proj.e', schedule: 60 }]),
    )
    const first = await run(app({ beatSchedule: many }), { store })
    first.clock.ended = true
    await first.beat.stop()
    const connection = await store.connect({ onNotice: () => undefined })
    const [one] = (await connection.load()).entries
    await connection.save({
      put: [{ ...one!, name: 'bad', origin: 'run-time', schedule: { type: 'crontab', minute: '99' } }],
    })
    const { beat } = await run(app({ beatSchedule }), { store })
    expect(beat.size).toBe(1)
    expect(logger.lines('error')).toEqual([
      expect.stringMatching(/"bad" .*lists of them\. Change or remove it/),
    ])
    expect(logger.lines('info')).toContainEqual(
      expect.stringMatching(/no longer has them: .* and 10 more\.$/),
    )
  })
})
