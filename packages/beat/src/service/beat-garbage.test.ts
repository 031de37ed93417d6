/** Somebody writes whatever he likes into the store: beat says so and sends what can be sent, in time. */
import { randomUUID } from 'node:crypto'
import { memory, memoryScheduleStore } from '@ct/broker-memory'
import { App } from '@ct/client'
import type { StoredScheduleEntry } from '@ct/contracts'
import { recordingLogger, seededRandom } from '@ct/testing'
import { afterEach, expect, it } from 'vitest'
import { VirtualTime } from '../../test/virtual-time.ts'
import { declareEntry } from '../entry/index.ts'
import { createBeat } from './beat.ts'

let time: VirtualTime | undefined
const closing: (() => Promise<unknown>)[] = []
afterEach(async () => {
  for (const close of closing.splice(0)) await close()
  time?.end()
})

const texts = ['', 'x', '[', '[]', '{}', '{"a":1}', '[1', 'null', '5', '"x"', '\u0000', '[NaN]', '[1e999]']
const nested = ['['.repeat(5000), '['.repeat(900) + ']'.repeat(900)]
const numbers = [0, -1, NaN, Infinity, 1.5, 2 ** 53, -8.64e15, 8.64e15, 9e15]
const options = [
  '{"queue": 5}',
  '{"queue": ""}',
  '{"queue": {"name": 5}}',
  '{"exchange": "none"}',
  '{"routing_key": []}',
  '{"countdown": "x"}',
  '{"eta": "x"}',
  '{"expires": "soon"}',
  '{"expires": 1e400}',
  '{"headers": 5}',
  '{"headers": null}',
  '{"priority": "high"}',
  '{"priority": 1e9}',
  '{"serializer": "nope"}',
  '{"compression": "nope"}',
  '{"task_id": "mine"}',
  '{"root_id": 5}',
  '{"group_id": {}}',
  '{"chain": 5}',
  '{"link": 5}',
  '{"time_limit": "x"}',
  '{"reply_to": 5}',
  '{"__proto__": {"x": 1}}',
]
const schedules = [
  {},
  [1],
  { type: 5 },
  { type: '__proto__' },
  { type: 'toString' },
  { type: 'crontab' },
  { type: 'crontab', minute: '99' },
  { type: 'crontab', hour: null },
  { type: 'crontab', timezone: 'No/Where' },
  { type: 'interval', seconds: 0 },
  { type: 'interval', milliseconds: -5 },
  { type: 'interval', milliseconds: 1e308 },
  { type: 'solar' },
  { type: 'solar', event: 'x' },
  { type: 'clocked' },
  { type: 'clocked', at: 'x' },
]
const values: readonly unknown[] = [
  undefined,
  null,
  true,
  false,
  ...texts,
  ...nested,
  ...numbers,
  ...options,
  ...schedules,
]

it.each([1, 2])(
  'S2, BEAT-60: fields of every wrong kind cost their entry, are told in words, and hold up nobody; seed %i',
  async (seed) => {
    const random = seededRandom(seed)
    time = new VirtualTime(Date.UTC(2026, 2, 1, 12))
    const logger = recordingLogger()
    const url = `memory://${randomUUID()}`
    const app = new App({ name: 'proj', broker: url, adapters: [memory], environment: {}, logger })
    const store = memoryScheduleStore({ url })
    const clock = time.clock()
    const beat = createBeat(app, {
      store,
      clock,
      entries: { tick: { task: 'proj.tick', schedule: 10 } },
    })
    closing.push(async () => {
      clock.ended = true
      await beat.stop()
      await app.close()
    })
    const sent: string[] = []
    beat.on('sent', ({ name, lateMs }) => name === 'tick' && void sent.push(`tick ${lateMs}`))
    beat.on('failing', (error) => void sent.push(String(error.stack)))
    await beat.start()
    const other = await store.connect({ onNotice: () => undefined })
    const { stored } = declareEntry('x', { task: 'proj.x', schedule: 5 }, 'run-time')
    for (let round = 0; round < 6; round++) {
      const put = (Object.keys(stored) as (keyof StoredScheduleEntry)[]).flatMap((key) =>
        Array.from({ length: 6 }, (_, at) => ({
          ...stored,
          lastRunAt: random.next() < 0.5 ? time!.wall : undefined,
          name: `bad ${round} ${key} ${at}`,
          [key]: values[random.below(values.length)],
        })),
      )
      await other.save({ put })
      await time.advance(10_000)
    }
    expect(sent).toEqual(Array.from({ length: 6 }, () => 'tick 0'))
    const told = logger.lines('error')
    expect(told.length).toBeGreaterThan(100)
    // What is told is about the entry, and no accident of ours.
    const accidents = /is not a function|Cannot read prop|not iterable|type undefined|Maximum call stack/
    expect(told.filter((line) => accidents.test(line))).toEqual([])
    await beat.tasks.list()
  },
  30_000,
)
