import { ConfigurationError } from '@ct/contracts'
import { describe, expect, it } from 'vitest'
import { parseRate, TokenBucket } from './token-bucket.ts'

describe('parseRate', () => {
  it('TASK-6: numbers are per second, text is per second, minute or hour', () => {
    expect(parseRate(5)).toBe(5)
    expect(parseRate('10/s')).toBe(10)
    expect(parseRate('10')).toBe(10)
    expect(parseRate('120/m')).toBe(2)
    expect(parseRate('36/h')).toBe(0.01)
    for (const none of [null, undefined, 0, '', '0', '0/s']) expect(parseRate(none)).toBeUndefined()
  })

  it.each(['fast', '10/d', -1, NaN, {}, '1/s/s', '/s'])('refuses %j', (rate) => {
    expect(() => parseRate(rate)).toThrow(ConfigurationError)
  })
})

describe('TokenBucket', () => {
  it('WORK-66, D57-71: holds one token, also after a long idle time', () => {
    let now = 0
    const bucket = new TokenBucket(2, () => now)
    expect(bucket.take()).toBe(true)
    expect(bucket.take()).toBe(false)
    expect(bucket.waitMs()).toBe(500)
    now += 500
    expect(bucket.take()).toBe(true)
    now += 60_000
    expect(bucket.take()).toBe(true)
    expect(bucket.take()).toBe(false)
    expect(bucket.waitMs()).toBe(500)
  })
})
