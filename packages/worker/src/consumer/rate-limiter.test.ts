import { afterEach, beforeEach, expect, it, vi } from 'vitest'
import type { Request, Strategy } from '../request/index.ts'
import { TokenBucket } from '../request/token-bucket.ts'
import { RateLimiter } from './rate-limiter.ts'

beforeEach(() => void vi.useFakeTimers({ now: 0 }))
afterEach(() => void vi.useRealTimers())

it('WORK-66: whoever will not run any more costs the others no token', () => {
  const strategy = { bucket: new TokenBucket(1, () => Date.now()) } as Strategy
  const started: string[] = []
  const limiter = new RateLimiter(({ id }) => started.push(id))
  const requests = ['a', 'lost', 'lost too', 'b', 'c'].map(
    (id) => ({ id, strategy, phase: 'received' }) as Request,
  )
  for (const request of requests) limiter.enter(request)
  for (const request of requests.slice(1, 3)) request.phase = 'done'
  expect(started).toEqual(['a'])
  vi.advanceTimersByTime(1000)
  expect(started).toEqual(['a', 'b'])
  vi.advanceTimersByTime(1000)
  expect(started).toEqual(['a', 'b', 'c'])
  expect(vi.getTimerCount()).toBe(0)
})
