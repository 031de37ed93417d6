/** The checker finds what it is there to find, and excuses only what a fault explains. */
import { describe, expect, it } from 'vitest'
import { check, type CheckOptions } from './check.ts'
import type { Fault } from './faults.ts'
import type { Entry } from './journal.ts'
import type { Order } from './orders.ts'

const plain: Order = { key: 'a', kind: 'plain', queues: ['q'], workMs: 0 }
const chain: Order = { key: 'c', kind: 'chain', queues: ['q', 'q'], workMs: 0 }
const chord: Order = { key: 'd', kind: 'chord', queues: ['q', 'q', 'q'], workMs: 0 }
const retry: Order = { key: 'r', kind: 'retry', queues: ['q'], workMs: 0, retries: 1 }

function sent(order: Order, answer: 'confirm' | { readonly maybe: boolean } = 'confirm'): Entry[] {
  const { key: k } = order
  return [
    { e: 'intent', t: 0, p: 9, by: 'ct', order },
    answer === 'confirm'
      ? { e: 'confirm', t: 10, p: 9, k }
      : { e: 'refuse', t: 10, p: 9, k, why: 'x', maybe: answer.maybe },
  ]
}

interface Ran {
  readonly p?: number
  readonly r?: number
  readonly v?: unknown
  readonly lang?: 'ct' | 'py'
  readonly end?: 'end' | 'again' | 'none'
}

function ran(k: string, t: number, { p = 1, r = 0, v, lang = 'ct', end = 'end' }: Ran = {}): Entry[] {
  const fields = { p, k, r, id: `id-${k}`, lang, ...(v === undefined ? {} : { v }) }
  const start: Entry = { e: 'start', t, ...fields }
  return end === 'none' ? [start] : [start, { e: end, t: t + 10, ...fields }]
}

function fault(kind: Fault['kind'], from: number, to: number, pid = 1): Fault {
  return { kind, target: pid === 0 ? 'redis' : 'ct1', pid, from, to }
}

function judge(entries: readonly Entry[], faults: readonly Fault[] = [], more: Partial<CheckOptions> = {}) {
  const verdict = check({ entries, faults, leaseMs: 3000, ...more })
  return { ...verdict, why: [...verdict.repeated.keys()] }
}

describe('what was confirmed', () => {
  it('must end, in every unit', () => {
    expect(judge([...sent(plain), ...ran('a', 100)]).violations).toEqual([])
    expect(judge(sent(plain)).violations).toEqual(['a was confirmed and never ended; it never started'])
    expect(judge([...sent(plain), ...ran('a', 100, { end: 'none' })]).violations[0]).toMatch(
      /started in ct 1 at 100/,
    )
    expect(judge([...sent(chain), ...ran('c.0', 100, { v: null })]).missing).toEqual(['c.1'])
    expect(judge([...sent(retry), ...ran('r', 100, { end: 'again' })]).missing).toEqual(['r#1'])
    expect(judge([...sent(chord), ...ran('d.0', 100), ...ran('d.1', 100)]).missing).toEqual(['d.body'])
  })

  it('is only reported where losses are tolerated', () => {
    const { violations, missing } = judge(sent(plain), [], { tolerateLosses: true })
    expect([violations, missing]).toEqual([[], ['a']])
  })

  it('has a result to be looked up, one per task', () => {
    const entries = [...sent(retry), ...ran('r', 100, { end: 'again' }), ...ran('r', 200, { r: 1 })]
    expect([...judge(entries).results]).toEqual([['id-r', 'r']])
  })
})

describe('what was refused', () => {
  it('may run when nobody knew, and must not when it was certain', () => {
    expect(judge([...sent(plain, { maybe: true }), ...ran('a', 100)]).violations).toEqual([])
    expect(judge(sent(plain, { maybe: false })).violations).toEqual([])
    expect(judge([...sent(plain, { maybe: false }), ...ran('a', 100)]).violations[0]).toMatch(/not delivered/)
  })
})

describe('what is handed on', () => {
  it('is what the units before returned', () => {
    const first = ran('c.0', 100, { v: null })
    expect(judge([...sent(chain), ...first, ...ran('c.1', 200, { v: 'c.0' })]).violations).toEqual([])
    expect(judge([...sent(chain), ...first, ...ran('c.1', 200, { v: 'x' })]).violations[0]).toMatch(
      /c\.1 got "x"/,
    )
    const parts = [...sent(chord), ...ran('d.0', 100), ...ran('d.1', 100)]
    expect(judge([...parts, ...ran('d.body', 200, { v: ['d.0', 'd.1'] })]).violations).toEqual([])
    expect(judge([...parts, ...ran('d.body', 200, { v: ['d.1', 'd.0'] })]).violations).toHaveLength(1)
  })
})

describe('what ran twice', () => {
  const twice = [...sent(plain), ...ran('a', 5000), ...ran('a', 8500, { p: 2 })]

  it('without a fault is a violation', () => {
    expect(judge(twice).violations[0]).toMatch(/a ran again without a fault/)
  })

  it('is not explained by faults of others, short ones, or those long past', () => {
    for (const other of [
      fault('kill', 5005, 5100, 3),
      fault('nap', 5005, 5600),
      fault('restart', 5005, 5600),
      fault('cut', 5005, 5005),
      fault('freeze', 100, 2500),
      fault('broker-freeze', 5005, 5600, 0),
    ])
      expect([other.kind, judge(twice, [other]).violations.length]).toEqual([other.kind, 1])
  })

  it('is explained by the death or the long absence of either worker', () => {
    expect(judge(twice, [fault('kill', 5011, 5300)]).why).toEqual(['worker killed'])
    expect(judge(twice, [fault('freeze', 5005, 9500)]).why).toEqual([
      'worker stopped or cut off past its lease',
    ])
    expect(judge(twice, [fault('freeze', 3500, 8490, 2)]).why).toEqual([
      'worker stopped or cut off past its lease',
    ])
    expect(judge(twice, [fault('broker-freeze', 5005, 8000, 0)]).why).toEqual(['broker away'])
    const several = [fault('broker-kill', 5500, 5900, 0), fault('broker-kill', 6500, 6900, 0)]
    expect(judge(twice, several).why).toEqual(['broker away'])
    const stall: Entry = { e: 'stall', t: 8000, p: 1, from: 5200 }
    expect(judge([...twice, stall]).why).toEqual(['worker starved'])
  })

  it('is explained by a lost connection where that holds the messages, not by a short stop', () => {
    const rabbit = { heldByConnection: true }
    expect(judge(twice, [fault('cut', 5005, 5005)], rabbit).why).toEqual(['worker lost its connection'])
    expect(judge(twice, [fault('client-kill', 5005, 5005, 0)], rabbit).why).toEqual([
      'worker lost its connection',
    ])
    for (const other of [
      fault('cut', 5005, 5005, 3),
      fault('cut', 100, 200),
      fault('nap', 5005, 5600),
      fault('restart', 5005, 5600),
      fault('queue-swap', 5005, 6600, 0),
      fault('broker-freeze', 5005, 5600, 0),
    ])
      expect([other.kind, judge(twice, [other], rabbit).violations.length]).toEqual([other.kind, 1])
  })

  it('is explained by a publisher that did not know', () => {
    expect(judge(twice, [fault('mute', 5, 8, 9)]).why).toEqual(['published again by a disturbed producer'])
    expect(judge(twice, [fault('mute', 500, 580, 9)]).violations).toHaveLength(1)
  })

  it('is inherited by the next step of a chain, never by the body of a chord', () => {
    const steps = [...sent(chain), ...ran('c.0', 5000, { v: null }), ...ran('c.0', 5200, { v: null, p: 2 })]
    const next = [...ran('c.1', 5100, { v: 'c.0', p: 3 }), ...ran('c.1', 5300, { v: 'c.0', p: 3 })]
    expect(judge([...steps, ...next], [fault('kill', 5011, 5100)]).why).toEqual([
      'worker killed',
      'the unit before ran again',
    ])
    const parts = [
      ...sent(chord),
      ...ran('d.0', 5000),
      ...ran('d.0', 5200, { p: 2 }),
      ...ran('d.1', 5100, { p: 2 }),
    ]
    const v = ['d.0', 'd.1']
    const bodies = [...ran('d.body', 9000, { v, p: 3 }), ...ran('d.body', 9100, { v, p: 3 })]
    expect(judge([...parts, ...bodies], [fault('kill', 5011, 5040)]).violations[0]).toMatch(
      /^d\.body ran again/,
    )
    expect(judge([...parts, ...bodies], [fault('kill', 5211, 5400, 2)]).why).toContain(
      'published again by a disturbed worker',
    )
    // Its publisher got no confirm, so the part came again, later on, and published it again.
    const late = [...ran('d.0', 5000), ...ran('d.1', 5100, { p: 2 }), ...ran('d.1', 9800, { p: 2 })]
    const hole = fault('hole', 5050, 9700, 2)
    expect(judge([...sent(chord), ...late, ...bodies], [hole], { heldByConnection: true }).why).toContain(
      'published again by a disturbed worker',
    )
  })

  it('is explained by a Python worker that held it for longer than the lease', () => {
    const entries = [...sent(plain), ...ran('a', 5000, { lang: 'py' }), ...ran('a', 5100)]
    const taken = (t: number): Entry => ({ e: 'taken', t, p: 7, id: 'id-a' })
    expect(judge([...entries, taken(2000)]).why).toEqual(['Python does not renew leases'])
    expect(judge([...entries, taken(4000)]).violations).toHaveLength(1)
  })
})
