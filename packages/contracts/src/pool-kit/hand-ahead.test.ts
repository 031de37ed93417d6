/** Handing ahead, with a clock and a transport of the test's own: what must hold whatever stands still in between. */
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import type { Pool, PoolJob, PoolOutcome, PoolTicket, SlotJob, SlotPort } from '../pool.ts'
import { beginSlackMs, RunTimes } from './hand-ahead.ts'
import { serveSlot } from './serve-slot.ts'
import { fromSlot, toSlot, type FromSlot, type ToSlot } from './slot-frames.ts'
import { startScripted, type ScriptedSlot } from './scripted-pool.ts'

let clock = 1000
const tick = (): Promise<void> => new Promise((resolve) => process.nextTick(resolve))
beforeEach(() => {
  clock = 1000
  vi.useFakeTimers({ toFake: ['setTimeout', 'setInterval', 'setImmediate'] })
  vi.spyOn(process, 'hrtime').mockImplementation((() => [0, clock * 1e6]) as unknown as NodeJS.HRTime)
})
afterEach(() => {
  vi.useRealTimers()
  vi.restoreAllMocks()
})

describe('RunTimes', () => {
  it('expects the longest time of late, and nothing of what it has not seen', () => {
    const times = new RunTimes()
    expect(times.expected('a')).toBe(Infinity)
    times.observed('a', 2)
    times.observed('a', 10)
    expect(times.expected('a')).toBe(10)
    times.observed('a', 2)
    expect(times.expected('a')).toBe(8)
    expect(times.expected('b')).toBe(Infinity)
  })
})

describe('a slot', () => {
  const sent: (readonly FromSlot[] | 'call')[] = []
  let ran: number[]
  let ports: SlotPort[]
  let onSend: (frames: readonly FromSlot[]) => boolean
  let receive: (...frames: ToSlot[]) => void

  /** Ends when the test says so. */
  let end: (() => void)[]

  beforeEach(async () => {
    sent.length = 0
    ran = []
    ports = []
    end = []
    onSend = () => true
    const entry = 'data:text/javascript,export const openSlot = (start) => globalThis.ctTestSlot(start)'
    Object.assign(globalThis, {
      ctTestSlot: () =>
        Promise.resolve({
          run(job: SlotJob, port: SlotPort) {
            ran.push(job.jobId)
            ports.push(port)
            return new Promise<PoolOutcome>((resolve) =>
              end.push(() => resolve({ kind: 'done', value: job.jobId })),
            )
          },
          close: () => Promise.resolve(),
        }),
    })
    const server = serveSlot({
      pid: 1,
      send(frames) {
        sent.push(frames)
        return onSend(frames)
      },
      call: () => void sent.push('call'),
      memoryKb: () => 0,
      exit: () => undefined,
    })
    receive = (...frames) => server(frames)
    receive([toSlot.open, entry, [], null, 0])
    await vi.waitFor(() => expect(sent).toEqual([[[fromSlot.ready, 1]]]))
    sent.length = 0
  })
  afterEach(() => {
    delete (globalThis as { ctTestSlot?: unknown }).ctTestSlot
  })

  const job = (id: number, beginBefore = 0): ToSlot => [
    toSlot.job,
    id,
    't',
    't',
    new Uint8Array(),
    '',
    '',
    {},
    beginBefore,
  ]
  const said = (): unknown[] =>
    sent.flatMap((frames) => (frames === 'call' ? [] : [frames.map(([kind, id]) => [kind, id])]))
  const calls = (): number => sent.filter((one) => one === 'call').length
  async function ends(index: number): Promise<void> {
    end[index]!()
    for (let turns = 0; turns < 5; turns++) await Promise.resolve()
  }

  it('P4: tells the end of a job and the beginning of the next in one message, before the code of the next', async () => {
    receive(job(1), job(2, clock + 50))
    sent.length = 0
    onSend = () => {
      expect(ran).toEqual([1])
      return true
    }
    await ends(0)
    expect(said()).toEqual([
      [
        [fromSlot.done, 1],
        [fromSlot.started, 2],
      ],
    ])
    expect(ran).toEqual([1, 2])
  })

  it.each<readonly [string, number, () => boolean]>([
    ['its time is over', 51, () => true],
    ['it stood still after it had said that it begins', 49, () => ((clock += beginSlackMs + 2), true)],
    ['the pool may not have heard that it begins', 0, () => false],
  ])('P4: asks before it begins when %s', async (_, passes, sending) => {
    receive(job(1), job(2, clock + 50), job(3, clock + 500))
    clock += passes
    onSend = (frames) =>
      frames.some(([kind, id]) => kind === fromSlot.started && id === 2) ? sending() : true
    await ends(0)
    // It lets the event loop turn first, as a millisecond is over.
    while (vi.getTimerCount() > 0) vi.advanceTimersToNextTimer()
    expect(said().flat()).toContainEqual([fromSlot.asks, 2])
    expect(ran).toEqual([1])
    onSend = () => true
    receive([toSlot.word, 2, false])
    expect(ran).toEqual([1, 3])
  })

  it('P4: begins what it asked for when it may', async () => {
    receive(job(1, clock - 1))
    expect(said()).toEqual([[[fromSlot.asks, 1]]])
    expect(calls()).toBe(1)
    receive([toSlot.word, 1, true])
    expect(ran).toEqual([1])
  })

  it('P4: says both in one message as long as jobs are short, and lets the event loop turn every twenty milliseconds', async () => {
    receive(job(1), job(2, clock + 50), job(3, clock + 50), job(4, clock + 50))
    sent.length = 0
    for (const index of [0, 1, 2]) {
      clock += 10
      await ends(index)
    }
    expect(ran).toEqual([1, 2, 3])
    while (vi.getTimerCount() > 0) vi.advanceTimersToNextTimer()
    expect(ran).toEqual([1, 2, 3, 4])
    const [started, done] = [fromSlot.started, fromSlot.done]
    expect(said()).toEqual([
      [
        [done, 1],
        [started, 2],
      ],
      [
        [done, 2],
        [started, 3],
      ],
      [[done, 3]],
      [[started, 4]],
    ])
  })

  it('P4: calls a pool that may not listen when it begins the last job that it has in hand, after it said so', async () => {
    receive(job(1), job(2, clock + 50), job(3, clock + 50))
    await ends(0)
    expect(calls()).toBe(0)
    await ends(1)
    expect(said().at(-1)).toEqual([
      [fromSlot.done, 2],
      [fromSlot.started, 3],
    ])
    expect(sent.at(-1)).toBe('call')
    expect(calls()).toBe(1)
    await ends(2)
    expect(calls()).toBe(1)
  })

  it('P4: does not call for a job that came by itself', async () => {
    receive(job(1))
    await ends(0)
    receive(job(2))
    void ports[1]!.send({ kind: 'm', payload: null })
    await ends(1)
    expect(calls()).toBe(0)
  })

  it('P6: calls when a job wants an answer and more is in hand', () => {
    receive(job(1), job(2, clock + 50))
    void ports[0]!.send({ kind: 'm', payload: null })
    expect(said().at(-1)).toEqual([[fromSlot.message, 1]])
    expect(sent.at(-1)).toBe('call')
  })

  it('P10: returns what is wanted back and has not begun', () => {
    receive(job(1), job(2, clock + 50), job(3, clock + 50))
    receive([toSlot.takeBack, 1], [toSlot.takeBack, 3])
    expect(said()).toEqual([[[fromSlot.started, 1]], [[fromSlot.returned, 3]]])
  })
})

describe('a pool', () => {
  let slots: ScriptedSlot[]
  let running: PoolTicket

  async function start(size: number): Promise<Pool> {
    const scripted = await startScripted(size)
    slots = scripted.slots
    return scripted.pool
  }

  let jobs = 0
  const accepted: number[] = []
  async function submit(pool: Pool): Promise<PoolTicket> {
    const id = ++jobs
    const job: PoolJob = {
      jobId: id,
      taskId: String(id),
      taskName: 't',
      body: new Uint8Array(),
      contentType: '',
      contentEncoding: '',
      request: {},
    }
    const ticket = pool.submit(job, {
      onAccepted: () => accepted.push(id),
      onMessage: () => Promise.resolve(undefined),
    })
    await tick()
    return ticket
  }

  /** A pool of one slot that has seen a job of a millisecond, and a job that runs with another one behind it. */
  async function handedAhead(): Promise<Pool> {
    accepted.length = 0
    jobs = 0
    const pool = await start(1)
    await submit(pool)
    slots[0]!.say([fromSlot.started, 1, 0, clock], [fromSlot.done, 1, null, undefined, 0, false, 1])
    running = await submit(pool)
    await submit(pool)
    slots[0]!.say([fromSlot.started, 2, 0, clock])
    expect(slots[0]!.frames.filter(([kind]) => kind === toSlot.job).map((frame) => frame[8])).toEqual([
      0, 0, 1016,
    ])
    return pool
  }
  const takenBack = (): unknown[] => slots[0]!.frames.filter(([kind]) => kind === toSlot.takeBack)

  it('P4: takes a late job back by the time at which it last listened, not by the time at which it looks', async () => {
    const pool = await handedAhead()
    // The timer: not late yet. Then it stands still, and the slot says meanwhile that it has begun.
    clock = 1020
    vi.advanceTimersToNextTimer()
    clock = 2000
    vi.advanceTimersToNextTimer()
    expect(takenBack()).toEqual([])
    slots[0]!.say([fromSlot.done, 2, null, undefined, 0, false, 1], [fromSlot.started, 3, 0, clock])
    vi.advanceTimersToNextTimer()
    vi.advanceTimersToNextTimer()
    expect(takenBack()).toEqual([])
    expect(accepted).toEqual([1, 2, 3])
    await pool.close()
  })

  it('P4: what was taken back may be handed to the same slot again, which still has to forget it', async () => {
    const pool = await handedAhead()
    clock = 1016 + beginSlackMs + 1
    while (takenBack().length === 0) {
      vi.advanceTimersToNextTimer()
      await tick()
    }
    await tick()
    expect(takenBack()).toEqual([[toSlot.takeBack, 3]])
    // It asks for what it has no more, as it was late itself; the running one ends, and the job is given anew.
    slots[0]!.say([fromSlot.done, 2, null, undefined, 0, false, 30], [fromSlot.asks, 3])
    await tick()
    expect(slots[0]!.frames).toContainEqual([toSlot.word, 3, false])
    const given = slots[0]!.frames.filter(([kind]) => kind === toSlot.job)
    expect(given.map((frame) => [frame[1], frame[2]])).toEqual([
      [1, '1'],
      [2, '2'],
      [3, '3'],
      [4, '3'],
    ])
    slots[0]!.say([fromSlot.started, 4, 0, clock])
    expect(accepted).toEqual([1, 2, 3])
    await pool.close()
  })

  it('P2: a job that begins in a slot which is being ended for the one before has not begun', async () => {
    const pool = await handedAhead()
    slots[0]!.exitsAtOnce = false
    expect(running.kill()).toBe(true)
    slots[0]!.say([fromSlot.done, 2, null, undefined, 0, false, 1], [fromSlot.started, 3, 0, clock])
    slots[0]!.exit()
    expect(accepted).toEqual([1, 2])
    // The next slot has it.
    expect(slots).toHaveLength(2)
    slots[1]!.say([fromSlot.ready, 2])
    await tick()
    expect(slots[1]!.frames.find(([kind]) => kind === toSlot.job)?.[2]).toBe('3')
    slots[1]!.say([fromSlot.started, 1, 0, clock])
    expect(accepted).toEqual([1, 2, 3])
    await pool.close()
  })
})
