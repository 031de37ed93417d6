import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Anticipation } from './anticipation.ts'
import type { SubscriptionHub } from './subscription-hub.ts'

describe('listening for results before they are asked for', () => {
  let told: string[]
  let anticipation: Anticipation

  beforeEach(() => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout', 'performance'] })
    told = []
    const hub: Pick<SubscriptionHub, 'expect' | 'dismiss'> = {
      expect: (taskId) => told.push(`expect ${taskId}`),
      dismiss: (taskId) => told.push(`dismiss ${taskId}`),
    }
    anticipation = new Anticipation(hub as SubscriptionHub)
  })
  afterEach(() => {
    anticipation.stop()
    vi.useRealTimers()
  })

  it('nothing is listened for while nobody waits for what he sends', () => {
    for (const taskId of ['a', 'b', 'c']) anticipation.sent(taskId)
    anticipation.asked('a')
    anticipation.sent('d')
    expect(told).toEqual([])
  })

  it('who waited for the latest is expected to wait for the next, and the next', () => {
    for (const taskId of ['a', 'b', 'c']) {
      anticipation.sent(taskId)
      anticipation.asked(taskId)
    }
    expect(told).toEqual(['expect b', 'expect c'])
    vi.advanceTimersByTime(5000)
    expect(told).toHaveLength(2)
    expect(vi.getTimerCount()).toBe(0)
  })

  it('one wrong guess ends it, and is taken back', () => {
    anticipation.sent('a')
    anticipation.asked('a')
    for (const taskId of ['b', 'c', 'd']) anticipation.sent(taskId)
    expect(told).toEqual(['expect b', 'dismiss b'])
  })

  it('what nobody asks for within a second is listened for no longer', () => {
    anticipation.sent('a')
    anticipation.asked('a')
    anticipation.sent('b')
    vi.advanceTimersByTime(999)
    expect(told).toEqual(['expect b'])
    vi.advanceTimersByTime(1)
    expect(told).toEqual(['expect b', 'dismiss b'])
    expect(vi.getTimerCount()).toBe(0)
  })
})
