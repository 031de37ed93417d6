/** What beat reads of its store, and when: the store is looked at while beat runs. */
import { randomUUID } from 'node:crypto'
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { memory, memoryScheduleStore } from '@ct/broker-memory'
import { App } from '@ct/client'
import type { ScheduleChanges, ScheduleStore, ScheduleStoreConnection } from '@ct/contracts'
import { recordingLogger, type RecordingLogger } from '@ct/testing'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { VirtualTime, type VirtualClock } from '../../test/virtual-time.ts'
import { declareEntry, type BeatSchedule } from '../entry/index.ts'
import { fileScheduleStore } from '../store/index.ts'
import { createBeat, type Beat } from './beat.ts'
import type { BeatOptions } from './beat-options.ts'

const start = Date.UTC(2026, 2, 1, 12)
const folder = mkdtempSync(join(tmpdir(), 'ct-mirror-'))
let time: VirtualTime
let logger: RecordingLogger
const closing: { close(): Promise<unknown> }[] = []

beforeEach(() => {
  time = new VirtualTime(start)
  logger = recordingLogger()
})
afterEach(async () => {
  for (const one of closing.splice(0).toReversed()) await one.close()
  time.end()
  rmSync(folder, { recursive: true, force: true })
})

interface Reads {
  /** Loads of everything. */
  all: number
  /** Entries that came one by one. */
  entries: number
}

type Change = (inner: ScheduleStoreConnection) => Partial<ScheduleStoreConnection>

/** A store that counts what is read from it. */
function watched(inner: ScheduleStore, reads: Reads, change: Change = () => ({})): ScheduleStore {
  return {
    ...inner,
    close: () => inner.close(),
    connect: async (options) => {
      const connection = await inner.connect(options)
      const changed = { ...connection, ...change(connection) }
      return {
        ...changed,
        load: async (how) => {
          if (how?.names === undefined) reads.all++
          const contents = await changed.load(how)
          if (how?.names !== undefined) reads.entries += contents.entries.length
          return contents
        },
        changes: async (since) => {
          const changes = await changed.changes(since)
          reads.entries += changes?.entries.length ?? 0
          return changes
        },
      }
    },
  }
}

const many = (count: number): BeatSchedule =>
  Object.fromEntries(
    Array.from({ length: count }, (_, index) => [`e${index}`, { task: 'proj.e', schedule: 3600 }]),
  )

interface Run {
  readonly beat: Beat
  readonly clock: VirtualClock
  readonly sent: string[]
}

async function run(hub: string, options: BeatOptions): Promise<Run> {
  const app = new App({
    name: 'proj',
    broker: `memory://${hub}`,
    adapters: [memory],
    environment: {},
    logger,
  })
  const clock = time.clock()
  const beat = createBeat(app, { clock, ...options })
  const sent: string[] = []
  beat.on('sent', ({ name }) => void sent.push(name))
  closing.push({
    close: async () => {
      clock.ended = true
      await beat.stop()
      await app.close()
    },
  })
  await beat.start()
  return { beat, clock, sent }
}

function stored(name: string, more: object = {}): ReturnType<typeof declareEntry>['stored'] {
  const input = { task: 'proj.x', schedule: 10, ...more }
  return { ...declareEntry(name, input, 'run-time').stored, lastRunAt: time.wall }
}

describe('what beat reads', () => {
  it.each(['memory', 'file'])(
    'S5, BEAT-51: %s: everything once; of what it writes itself nothing, and of what others change that alone',
    async (kind) => {
      const hub = randomUUID()
      const reads: Reads = { all: 0, entries: 0 }
      const inner =
        kind === 'file'
          ? fileScheduleStore({ path: join(folder, randomUUID()) })
          : memoryScheduleStore({ url: `memory://${hub}` })
      const { beat, sent } = await run(hub, {
        store: watched(inner, reads),
        entries: { ...many(1500), tick: { task: 'proj.tick', schedule: 10 } },
      })
      await time.advance(30_000)
      expect(beat.size).toBe(1501)
      expect(reads).toEqual({ all: 1, entries: 0 })
      // In this process: looked up by name, and read when it is there.
      await beat.tasks.add('mine', { task: 'proj.mine', schedule: 10, oneOff: true })
      await time.advance(10_000)
      await beat.tasks.change('mine', { schedule: 20 })
      await beat.tasks.disable('e7')
      await time.advance(1000)
      expect((await beat.tasks.get('mine'))?.enabled).toBe(false)
      // In another one.
      const other = await inner.connect({ onNotice: () => undefined })
      await other.save({ put: [stored('theirs')], remove: ['mine'] })
      if (kind === 'file') await beat.tasks.put('nudge', { task: 'proj.x', schedule: 3600 })
      await time.advance(12_000)
      expect(sent.filter((name) => name !== 'tick')).toEqual(['mine', 'theirs'])
      expect(reads.all).toBe(1)
      expect(reads.entries).toBeLessThan(20)
      await other.close()
    },
  )

  it('BEAT-10, S5: what others do to entries of the configuration is put right, one by one', async () => {
    const hub = randomUUID()
    const reads: Reads = { all: 0, entries: 0 }
    const inner = memoryScheduleStore({ url: `memory://${hub}` })
    const { beat } = await run(hub, { store: watched(inner, reads), entries: many(100) })
    const other = await inner.connect({ onNotice: () => undefined })
    const [e7] = (await other.load({ names: ['e7'] })).entries
    await other.save({
      put: [
        { ...e7!, task: 'proj.changed' },
        { ...stored('of nobody'), origin: 'configuration' },
      ],
      remove: ['e8'],
    })
    await time.advance(3000)
    const after = new Map((await other.load()).entries.map((entry) => [entry.name, entry]))
    expect(after.get('e7')?.task).toBe('proj.e')
    expect(after.has('e8')).toBe(true)
    expect(after.has('of nobody')).toBe(false)
    expect(beat.size).toBe(100)
    expect(reads.all).toBe(1)
    await other.close()
  })

  it('S5: a store that only knows that something changed is read anew for what others do, and for nothing of ours', async () => {
    const hub = randomUUID()
    const reads: Reads = { all: 0, entries: 0 }
    const inner = memoryScheduleStore({ url: `memory://${hub}` })
    // As django_celery_beat_periodictasks, a table with one instant in it.
    const oneInstant: Change = (connection) => ({
      changes: async (since): Promise<ScheduleChanges | undefined> => {
        const changes = await connection.changes(since)
        return changes?.marker === since ? changes : undefined
      },
    })
    const { beat, sent } = await run(hub, {
      store: watched(inner, reads, oneInstant),
      entries: { ...many(2500), once: { task: 'proj.once', schedule: 10, oneOff: true } },
    })
    await time.advance(20_000)
    expect(sent).toEqual(['once'])
    expect((await beat.tasks.get('once'))?.enabled).toBe(false)
    expect(reads.all).toBe(1)
    const other = await inner.connect({ onNotice: () => undefined })
    await other.save({ put: [stored('theirs')] })
    await time.advance(12_000)
    expect(sent).toEqual(['once', 'theirs'])
    expect(reads.all).toBe(2)
    await other.close()
  })

  it('S5: thousands of new entries come in pages, and what is due is sent in between', async () => {
    const hub = randomUUID()
    const reads: Reads = { all: 0, entries: 0 }
    const inner = memoryScheduleStore({ url: `memory://${hub}` })
    const pages: number[] = []
    const counting: Change = (connection) => ({
      changes: async (since) => {
        const changes = await connection.changes(since)
        if (changes !== undefined && changes.entries.length > 0) pages.push(changes.entries.length)
        return changes
      },
    })
    const { beat } = await run(hub, { store: watched(inner, reads, counting) })
    const other = await inner.connect({ onNotice: () => undefined })
    await other.save({
      put: Array.from({ length: 4500 }, (_, index) => stored(`n${index}`, { schedule: 3600 })),
    })
    await time.advance(2000)
    expect(beat.size).toBe(4500)
    expect(pages).toEqual([1000, 1000, 1000, 1000, 500])
    expect(reads.all).toBe(1)
    await other.close()
  })

  it('an entry that somebody changes when its time is over keeps the change', async () => {
    const hub = randomUUID()
    const inner = memoryScheduleStore({ url: `memory://${hub}` })
    const other = await inner.connect({ onNotice: () => undefined })
    const until = new Date(start + 25_000)
    let isChanged = false
    // Right before beat disables it.
    const meanwhile: Change = (connection) => ({
      load: async (how) => {
        if (how?.names?.includes('ends') === true && time.wall >= until.getTime() && !isChanged) {
          isChanged = true
          const [entry] = (await other.load({ names: ['ends'] })).entries
          await other.save({ put: [{ ...entry!, expiresAt: start + 45_000, lastRunAt: undefined }] })
        }
        return connection.load(how)
      },
    })
    const { beat, sent } = await run(hub, { store: watched(inner, { all: 0, entries: 0 }, meanwhile) })
    await beat.tasks.add('ends', { task: 'proj.x', schedule: 10, expiresAt: until })
    await time.advance(60_000)
    expect(isChanged).toBe(true)
    expect(sent).toEqual(['ends', 'ends', 'ends', 'ends'])
    expect((await beat.tasks.get('ends'))?.enabled).toBe(false)
    await other.close()
  })

  it('S4: a lease is kept while reading takes longer than it lasts', async () => {
    const hub = randomUUID()
    const inner = memoryScheduleStore({ url: `memory://${hub}` })
    const tokens: (number | undefined)[] = []
    let isRead = false
    let wake = (): void => undefined
    const renewed = (): Promise<void> =>
      new Promise((resolve) => {
        wake = resolve
      })
    const slow: Change = (connection) => ({
      load: async (how) => {
        // Three times half of a lease, each renewed meanwhile.
        for (let times = 0; times < (isRead ? 0 : 3); times++) {
          time.passed += 60
          time.jump(60)
          await renewed()
        }
        isRead = true
        return connection.load(how)
      },
      lead: async (candidate) => {
        const lease = await connection.lead(candidate)
        tokens.push(lease?.token)
        wake()
        return lease
      },
    })
    const reads: Reads = { all: 0, entries: 0 }
    const { beat } = await run(hub, { store: watched(inner, reads, slow), leaseMs: 120, entries: many(10) })
    expect(beat.status).toBe('leading')
    expect(new Set(tokens).size).toBe(1)
    expect(tokens).toHaveLength(4)
    expect(reads.all).toBe(1)
  })

  it('BEAT-15: a store that gives no answer is given up after a while and opened again', async () => {
    const hub = randomUUID()
    const inner = memoryScheduleStore({ url: `memory://${hub}` })
    let isSilent = false
    const silent: Change = (connection) => ({
      lead: (candidate) => (isSilent ? new Promise(() => undefined) : connection.lead(candidate)),
    })
    const { beat, sent } = await run(hub, {
      store: watched(inner, { all: 0, entries: 0 }, silent),
      storeTimeoutMs: 20,
      entries: { tick: { task: 'proj.tick', schedule: 10 } },
    })
    const failures: string[] = []
    beat.on('failing', ({ message }) => {
      isSilent = false
      failures.push(message)
    })
    await time.advance(10_000)
    expect(sent).toHaveLength(1)
    isSilent = true
    await time.advance(30_000)
    expect(failures).toEqual([expect.stringMatching(/gave no answer for 0\.02 s/)])
    expect(beat.status).toBe('leading')
    expect(sent.length).toBeGreaterThanOrEqual(3)
  })
})
