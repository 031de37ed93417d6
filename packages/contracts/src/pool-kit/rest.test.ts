/** When a pool listens and when it does not: with slots, a clock and turns of the test's own. */
import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Pool, PoolTicket } from '../pool.ts'
import { restMs } from './hand-ahead.ts'
import { startScripted, type ScriptedSlot } from './scripted-pool.ts'
import { fromSlot, toSlot } from './slot-frames.ts'

let clock: number
let pool: Pool
let slots: ScriptedSlot[]
/** What was told, a list for each turn of the event loop. */
let turns: string[][]
let jobs: number

beforeEach(async () => {
  clock = 1000
  turns = [[]]
  jobs = 0
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'setImmediate'] })
  vi.spyOn(process, 'hrtime').mockImplementation((() => [0, clock * 1e6]) as unknown as NodeJS.HRTime)
  ;({ pool, slots } = await startScripted(2))
})
afterEach(async () => {
  await pool.close()
  vi.useRealTimers()
  vi.restoreAllMocks()
})

const told = (what: string): void => void turns.at(-1)!.push(what)

function submit(options: { readonly patient?: boolean } = {}): PoolTicket {
  const id = ++jobs
  const ticket = pool.submit(
    {
      jobId: id,
      taskId: String(id),
      taskName: 't',
      body: new Uint8Array(),
      contentType: '',
      contentEncoding: '',
      request: {},
      patient: options.patient ?? true,
    },
    {
      onAccepted: ({ agoMs }) => told(`began ${id}, ${agoMs} ms ago`),
      onMessage: () => {
        told(`message of ${id}`)
        return Promise.resolve(undefined)
      },
    },
  )
  ticket.whenEnded((outcome) =>
    told(`${outcome.kind} ${id}${outcome.kind === 'done' ? `, ran ${outcome.ranMs} ms` : ''}`),
  )
  return ticket
}

/** So many turns of the event loop. */
function turn(count = 1): void {
  for (let n = 0; n < count; n++) {
    turns.push([])
    // In this clock an immediate comes a millisecond later.
    vi.advanceTimersByTime(1)
  }
}

/** What was told since the last call, without the turns in which nothing was. */
function sinceLast(): string[][] {
  const all = turns.filter((one) => one.length > 0)
  turns = [[]]
  return all
}

const began = (slot: number, handing: number): void => slots[slot]!.say([fromSlot.started, handing, 0, clock])
const ended = (slot: number, handing: number, ranMs: number): void =>
  slots[slot]!.say([fromSlot.done, handing, null, undefined, 0, false, ranMs])

/** Each slot runs a job of ten milliseconds, with two more behind it. Handings are 1, 2, 3 in the one slot and 1, 2, 3 in the other. */
function saturate(options: { readonly patient?: boolean } = {}): PoolTicket[] {
  // What a job takes is known from the first two.
  submit(options)
  submit(options)
  for (const slot of [0, 1]) {
    began(slot, 1)
    clock += 10
    ended(slot, 1, 10)
  }
  const tickets = Array.from({ length: 6 }, () => submit(options))
  for (const slot of [0, 1]) began(slot, 2)
  turn(3)
  sinceLast()
  return tickets
}

it('does not listen to slots that have enough in hand, and hears of several ends in one turn', () => {
  saturate()
  expect(slots.map(({ heard }) => heard)).toEqual([false, false])
  for (const slot of [0, 1]) {
    clock += 10
    slots[slot]!.say([fromSlot.done, 2, null, undefined, 0, false, 10], [fromSlot.started, 3, 0, clock])
  }
  turn(3)
  expect(sinceLast()).toEqual([])
  turns.push([])
  vi.advanceTimersByTime(restMs)
  turn(3)
  // When a job began and how long it ran is the slot's word.
  expect(sinceLast()).toEqual([
    ['done 3, ran 10 ms', 'began 5, 10 ms ago', 'done 4, ran 10 ms', 'began 6, 0 ms ago'],
  ])
})

it('hears at once a slot that calls, as it has begun the last job in hand', () => {
  saturate()
  slots[0]!.say([fromSlot.done, 2, null, undefined, 0, false, 1], [fromSlot.started, 3, 0, clock])
  slots[0]!.say([fromSlot.done, 3, null, undefined, 0, false, 1], [fromSlot.started, 4, 0, clock])
  slots[0]!.call()
  turn(3)
  expect(sinceLast().flat()).toEqual([
    'done 3, ran 1 ms',
    'began 5, 0 ms ago',
    'done 5, ran 1 ms',
    'began 7, 0 ms ago',
  ])
  // The other one has enough to do, this one has not.
  turn(2)
  expect(slots.map(({ heard }) => heard)).toEqual([true, false])
})

it('does not rest on what it has heard when more is to be heard: a call is heard before what was said', () => {
  saturate()
  vi.advanceTimersByTime(restMs)
  turn(5)
  expect(slots.map(({ heard }) => heard)).toEqual([false, false])
  vi.advanceTimersByTime(restMs)
  // It listens again, and the call comes before anything was read.
  slots[0]!.call()
  turn()
  expect(slots[0]!.heard).toBe(true)
  slots[0]!.say([fromSlot.done, 2, null, undefined, 0, false, 1], [fromSlot.started, 3, 0, clock])
  turn(3)
  expect(sinceLast().flat()).toEqual(['done 3, ran 1 ms', 'began 5, 0 ms ago'])
})

it('does not listen to find out whether jobs are late before one of them can be', () => {
  saturate()
  vi.advanceTimersByTime(restMs - 15)
  slots[0]!.call()
  // Rests anew, and longer than until the first one that was handed ahead could have been late.
  turn(5)
  slots[0]!.say([fromSlot.done, 2, null, undefined, 0, false, 10], [fromSlot.started, 3, 0, clock])
  turn(20)
  expect(sinceLast()).toEqual([])
  vi.advanceTimersByTime(restMs)
  expect(sinceLast().flat()).toEqual(['done 3, ran 10 ms', 'began 5, 0 ms ago'])
})

it.each<readonly [string, (ticket: PoolTicket) => unknown]>([
  ['a job is wanted back', (ticket) => ticket.withdraw()],
  ['a job is aborted', (ticket) => ticket.abort(new Error('enough'))],
  ['a job is submitted whose owner waits to hear of it', () => submit({ patient: false })],
  ['it is shrunk', () => pool.shrink(1)],
  ['it is stopped', () => void pool.stop()],
])('listens again when %s', (_, act) => {
  const tickets = saturate()
  act(tickets.at(-1)!)
  expect(slots.map(({ heard }) => heard)).toEqual([true, true])
})

it('always listens when somebody waits to hear of the jobs', () => {
  saturate({ patient: false })
  expect(slots.map(({ heard }) => heard)).toEqual([true, true])
})

it('always listens when slots have little in hand', () => {
  submit()
  submit()
  for (const slot of [0, 1]) {
    began(slot, 1)
    ended(slot, 1, 1)
  }
  for (let n = 0; n < 4; n++) submit()
  for (const slot of [0, 1]) began(slot, 2)
  turn(3)
  expect(slots.map(({ heard }) => heard)).toEqual([true, true])
})

it('P2: what a slot said before it died comes first, and only the job that ran is lost', () => {
  saturate()
  slots[0]!.say([fromSlot.done, 2, null, undefined, 0, false, 10], [fromSlot.started, 3, 0, clock])
  vi.advanceTimersByTime(restMs)
  turn()
  slots[0]!.exit()
  expect(sinceLast().flat()).toEqual(['done 3, ran 10 ms', 'began 5, 0 ms ago', 'lost 5'])
  // What was behind it is in the other slot, or waits.
  expect(slots[1]!.frames.filter(([kind]) => kind === toSlot.job).map((frame) => frame[2])).not.toContain('5')
})
