import { describe, expect, it } from 'vitest'
import { Autoscaler, keepaliveFrom } from './autoscaler.ts'

function scene(max: number, min: number, resized = (): Promise<void> => Promise.resolve()) {
  const state = { size: Math.max(1, min), quantity: 0, now: 0, max: 0, lines: [] as string[] }
  const scaler = new Autoscaler({
    max,
    min,
    size: () => state.size,
    quantity: () => state.quantity,
    resize: (by) => {
      state.size += by
      return resized()
    },
    onMax: (most) => (state.max = most),
    log: (line) => state.lines.push(line),
    keepaliveMs: 30_000,
    now: () => state.now,
  })
  return { state, scaler }
}

describe('WORK-53, D57-70: autoscale', () => {
  it('PAIN-35: grows with what is reserved up to max, shrinks after 30 s without a task, never below min', () => {
    const { state, scaler } = scene(4, 1)
    state.quantity = 2
    scaler.reserved()
    expect(state.size).toBe(2)
    state.quantity = 9
    scaler.reserved()
    expect(state.size).toBe(4)
    state.quantity = 1
    state.now += 29_999
    scaler.scale()
    expect(state.size).toBe(4)
    scaler.reserved()
    state.now += 29_999
    scaler.scale()
    expect(state.size).toBe(4)
    state.now += 1
    scaler.scale()
    expect(state.size).toBe(1)
    expect(state.lines).toEqual([
      'Scaling up 1 processes.',
      'Scaling up 2 processes.',
      'Scaling down 3 processes.',
    ])
  })

  it('PAIN-35: what there is to do is not counted for each task while the pool has all its slots', () => {
    const { state, scaler } = scene(4, 1)
    state.quantity = 9
    scaler.reserved()
    expect(state.size).toBe(4)
    Object.defineProperty(state, 'quantity', {
      get: () => {
        throw new Error('counted')
      },
    })
    expect(() => scaler.reserved()).not.toThrow()
    expect(() => scaler.scale()).toThrow('counted')
  })

  it('what was not grown is not shrunk', () => {
    const { state, scaler } = scene(4, 1)
    state.size = 3
    state.now += 60_000
    scaler.scale()
    expect(state.size).toBe(3)
  })

  it('a pool that cannot be resized costs a line of the log', async () => {
    const { state, scaler } = scene(4, 1, () => Promise.reject(new Error('no more processes')))
    state.quantity = 3
    scaler.scale()
    await Promise.resolve()
    expect(state.lines).toEqual([
      'Scaling up 2 processes.',
      'The pool could not be resized: no more processes',
    ])
  })

  it('CTRL-29: new limits hold at once', () => {
    const { state, scaler } = scene(4, 1)
    expect(scaler.update({ min: 3 })).toEqual({ max: 4, min: 3 })
    expect(state.size).toBe(3)
    expect(scaler.update({ max: 2, min: 1 })).toEqual({ max: 2, min: 1 })
    expect([state.size, state.max]).toEqual([2, 2])
    expect(scaler.info()).toEqual({ max: 2, min: 1, current: 2, qty: 0 })
  })

  it('CTRL-29: limits that cross: of two the larger is the maximum, one alone moves the other', () => {
    const { state, scaler } = scene(4, 1)
    expect(scaler.update({ max: 2, min: 5 })).toEqual({ max: 5, min: 2 })
    expect([state.size, state.max]).toEqual([2, 5])
    expect(scaler.update({ min: 7 })).toEqual({ max: 7, min: 7 })
    expect([state.size, state.max]).toEqual([7, 7])
    expect(scaler.update({ max: 3 })).toEqual({ max: 3, min: 3 })
    expect([state.size, state.max]).toEqual([3, 3])
  })

  it('AUTOSCALE_KEEPALIVE is in seconds', () => {
    expect(keepaliveFrom({})).toBe(30_000)
    expect(keepaliveFrom({ AUTOSCALE_KEEPALIVE: '0.5' })).toBe(500)
    expect(keepaliveFrom({ AUTOSCALE_KEEPALIVE: 'often' })).toBe(30_000)
  })
})
