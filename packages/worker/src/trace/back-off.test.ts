import { describe, expect, it } from 'vitest'
import { retryCountdown } from './back-off.ts'

const options = { retryKwargs: {}, retryBackoff: 0, retryBackoffMax: 600, retryJitter: true, defaultRetryDelay: 180 }

describe('retryCountdown', () => {
  it('TASK-19: is the default delay or that of retryKwargs', () => {
    expect(retryCountdown(options, 0)).toBe(180)
    expect(retryCountdown({ ...options, retryKwargs: { countdown: 7 } }, 3)).toBe(7)
  })

  it('TASK-23, TASK-24: doubles, the factor a whole number of at least 1, up to the maximum', () => {
    const plain = { ...options, retryJitter: false }
    expect([0, 1, 2, 3].map((retries) => retryCountdown({ ...plain, retryBackoff: 1 }, retries))).toEqual([1, 2, 4, 8])
    expect(retryCountdown({ ...plain, retryBackoff: 0.3 }, 1)).toBe(2)
    expect(retryCountdown({ ...plain, retryBackoff: 2.9 }, 1)).toBe(4)
    expect(retryCountdown({ ...plain, retryBackoff: 5 }, 60)).toBe(600)
  })

  it('TASK-25: full jitter is a whole number from 0 to the wait', () => {
    const jittered = { ...options, retryBackoff: 4 }
    expect(retryCountdown(jittered, 1, () => 0)).toBe(0)
    expect(retryCountdown(jittered, 1, () => 0.999999)).toBe(8)
  })
})
