import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import { TimeLimits } from './time-limits.ts'

let over: string[]
let limits: TimeLimits<string>
beforeEach(() => {
  vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
  over = []
  limits = new TimeLimits()
})
afterEach(() => {
  vi.useRealTimers()
})

function limit(name: string, ms: number): void {
  limits.add(name, performance.now() + ms, () => over.push(name))
}

it('whose time is up is told, each at his own time', () => {
  limit('slow', 300)
  limit('quick', 100)
  vi.advanceTimersByTime(99)
  expect(over).toEqual([])
  vi.advanceTimersByTime(1)
  expect(over).toEqual(['quick'])
  vi.advanceTimersByTime(200)
  expect(over).toEqual(['quick', 'slow'])
  expect(vi.getTimerCount()).toBe(0)
})

it('who was done in time is not told, and however many there are share one timer', () => {
  for (let n = 0; n < 10; n += 1) {
    limit(`done ${n}`, 100)
    limits.delete(`done ${n}`)
    vi.advanceTimersByTime(5)
    expect(vi.getTimerCount()).toBe(1)
  }
  limit('late', 100)
  vi.advanceTimersByTime(99)
  expect(over).toEqual([])
  vi.advanceTimersByTime(1)
  expect(over).toEqual(['late'])
})

it('after clear nothing is left', () => {
  limit('a', 100)
  limits.clear()
  expect(vi.getTimerCount()).toBe(0)
  limit('b', 100)
  vi.advanceTimersByTime(100)
  expect(over).toEqual(['b'])
})
