import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { DueHeap } from './due-heap.ts'

describe('DueHeap', () => {
  beforeEach(() => {
    vi.useFakeTimers({ now: 0 })
  })
  afterEach(() => {
    vi.useRealTimers()
  })

  it('WORK-65: hands out what is due in order of time, then of arrival, with one timer', () => {
    const due: string[] = []
    const heap = new DueHeap<string>((item) => due.push(item))
    heap.add(300, 'c')
    heap.add(100, 'a1')
    heap.add(100, 'a2')
    const cancelled = heap.add(200, 'b')
    expect(vi.getTimerCount()).toBe(1)
    heap.cancel(cancelled)
    expect(heap.size).toBe(3)
    expect(heap.entries().map((entry) => entry.item)).toEqual(['a1', 'a2', 'c'])
    vi.advanceTimersByTime(100)
    expect(due).toEqual(['a1', 'a2'])
    vi.advanceTimersByTime(1000)
    expect(due).toEqual(['a1', 'a2', 'c'])
    expect(vi.getTimerCount()).toBe(0)
  })

  it('fires a time in the past on the next turn, and waits longer than a timer can', () => {
    const due: string[] = []
    const heap = new DueHeap<string>((item) => due.push(item))
    heap.add(-5000, 'past')
    vi.advanceTimersByTime(1)
    expect(due).toEqual(['past'])
    const far = 60 * 24 * 3600 * 1000
    heap.add(far, 'far')
    vi.advanceTimersByTime(far - 100)
    expect(due).toEqual(['past'])
    vi.advanceTimersByTime(100)
    expect(due).toEqual(['past', 'far'])
  })

  it('leaves no timer when cleared or when the last entry is cancelled', () => {
    const heap = new DueHeap<number>(() => {})
    for (let index = 0; index < 1000; index++) heap.add(1000 + ((index * 7919) % 1000), index)
    expect(heap.clear()).toHaveLength(1000)
    expect(vi.getTimerCount()).toBe(0)
    heap.cancel(heap.add(10, 1))
    expect(vi.getTimerCount()).toBe(0)
  })
})
