import { describe, expect, it } from 'vitest'
import { LimitedSet } from './limited-set.ts'

describe('LimitedSet', () => {
  it('WORK-95: forgets the oldest beyond its size and what is too old', () => {
    let now = 0
    const set = new LimitedSet({ max: 3, expiresMs: 100, now: () => now })
    for (const id of ['a', 'b', 'c', 'd']) set.add(id)
    expect(set.ids()).toEqual(['b', 'c', 'd'])
    now = 50
    set.add('b')
    expect(set.ids()).toEqual(['c', 'd', 'b'])
    now = 120
    expect(set.has('c')).toBe(false)
    expect(set.has('b')).toBe(true)
    expect(set.ids()).toEqual(['b'])
  })
})
