import { describe, expect, it } from 'vitest'
import { Credit, type CreditOptions } from './credit.ts'

function credit(options: Partial<CreditOptions> = {}): {
  credit: Credit
  seen: number[]
  tick: (ms: number) => void
} {
  const seen: number[] = []
  let now = 0
  const made = new Credit({
    multiplier: 4,
    concurrency: 10,
    maxClaim: 200,
    etaTaskLimit: undefined,
    onChange: (value) => seen.push(value),
    now: () => now,
    ...options,
  })
  return { credit: made, seen, tick: (ms) => (now += ms) }
}

describe('Credit', () => {
  it('WORK-60: is multiplier times concurrency, and unlimited for multiplier 0', () => {
    expect(credit().credit.current).toBe(40)
    expect(credit({ multiplier: 0 }).credit.current).toBe(Infinity)
    expect(credit({ multiplier: 1, concurrency: 1 }).credit.current).toBe(1)
  })

  it('WORK-63: messages held for their ETA take no place of the others', () => {
    const { credit: made, seen } = credit()
    made.hold()
    made.hold()
    expect(made.current).toBe(42)
    made.unhold(2)
    expect(made.current).toBe(40)
    expect(seen).toEqual([41, 42, 40])
  })

  it('WORK-64, SET-179: workerEtaTaskLimit is the ceiling that held messages reach', () => {
    const { credit: made } = credit({ etaTaskLimit: 45 })
    for (let index = 0; index < 20; index++) made.hold()
    expect(made.current).toBe(45)
    expect(credit({ etaTaskLimit: 10 }).credit.current).toBe(40)
  })

  it('grows with measured throughput up to two claims, and falls back when the tasks get slow', () => {
    const { credit: made, tick } = credit()
    for (let index = 0; index < 3200; index++) {
      tick(0.1)
      made.finished()
    }
    expect(made.current).toBe(400)
    expect(made.maxClaim).toBe(200)
    for (let index = 0; index < 320; index++) {
      tick(100)
      made.finished()
    }
    expect(made.current).toBe(40)
    expect(made.maxClaim).toBe(20)
  })

  it('WORK-90: after a reconnect it starts low and comes back one multiplier per finished task', () => {
    const { credit: made } = credit()
    made.reduce(9)
    expect(made.current).toBe(4)
    made.finished()
    expect(made.current).toBe(8)
    made.reduce(1000)
    expect(made.current).toBe(4)
  })
})
