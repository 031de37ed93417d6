/** The soak, short: thousands of tasks a pool, by count and not by time. The form of ten minutes runs nightly (CT_NIGHTLY). */
import { startPrivateRedis, tryServices } from '@ct-tools/services'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { drawSoak } from './draw-soak.ts'
import { faults, heapBound } from './faults.ts'
import { slope } from './slope.ts'
import { soak } from './soak.ts'

const present = (await tryServices(['redis'])) !== undefined
const nightly = process.env['CT_NIGHTLY'] !== undefined
const pools = ['async', 'solo', 'threads', 'processes'] as const

describe.skipIf(!present)('soak', () => {
  let redis: Awaited<ReturnType<typeof startPrivateRedis>>
  beforeAll(async () => {
    redis = await startPrivateRedis({ args: ['--save', ''] })
  })
  afterAll(async () => {
    await redis.stop()
  })

  it.each(pools)(
    'the heap of a worker with the pool %s is flat, and its handles are closed after it',
    async (pool) => {
      const report = await soak({
        pool,
        redis: redis.url,
        warmUp: nightly ? 5000 : 1500,
        samples: nightly ? 60 : 4,
        tasksPerSample: nightly ? 400 : 1500,
        msPerSample: nightly ? 10_000 : 0,
        // What matters here is how many, not how long each takes.
        ...(nightly ? {} : { inFlight: 64 }),
      })
      expect(report.samples).toHaveLength(nightly ? 61 : 5)
      expect(faults(report, nightly ? heapBound.long : heapBound.short)).toEqual([])
      expect(drawSoak(report)).toContain('polyline')
    },
    nightly ? 1_200_000 : 180_000,
  )

  it('finds out a worker whose tasks keep memory', async () => {
    const report = await soak({
      pool: 'async',
      redis: redis.url,
      warmUp: 300,
      samples: 3,
      tasksPerSample: 200,
      inFlight: 64,
      leak: true,
    })
    expect(report.heapBytesPerTask).toBeGreaterThan(2 * heapBound.short)
    expect(faults(report, heapBound.short).join()).toMatch(/the heap grows by \d+ bytes a task/)
  }, 180_000)
})

describe('slope', () => {
  it('is that of the line, whatever one point says', () => {
    expect(slope([0, 1, 2, 3, 4, 5].map((x) => [x, x === 3 ? 1e6 : 7 + 2 * x] as const))).toBe(2)
    expect(slope([[1, 1]])).toBeNaN()
  })

  it('handles that stay open are a fault', () => {
    const sample = { seconds: 0, tasks: 0, heapBytes: 0, rssBytes: 0, p50: 1, p95: 1, p99: 1 }
    const samples = [4, 20, 21, 22].map((handles) => ({ ...sample, handles }))
    const report = { pool: 'x', samples, heapBytesPerTask: 0, handlesBefore: 1, handlesAfter: 3 }
    expect(faults(report)).toEqual([
      '3 handles are open after the end, 1 were before the start',
      'handles went from 4 to 20',
    ])
  })
})
