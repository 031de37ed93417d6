import { afterEach, expect, it, vi } from 'vitest'
import { Heartbeat } from './heartbeat.ts'

afterEach(() => vi.useRealTimers())

it('EVT-29, WORK-94: heartbeats tell what runs and what was begun, at their interval, until the farewell', () => {
  vi.useFakeTimers()
  const sent: [string, Readonly<Record<string, unknown>>][] = []
  const counts = { active: 1, processed: 5 }
  const heartbeat = new Heartbeat({
    interval: 2,
    version: '1.2.3',
    active: () => counts.active,
    processed: () => counts.processed,
    send: (type, fields) => void sent.push([type, fields]),
  })
  heartbeat.start()
  counts.processed = 6
  vi.advanceTimersByTime(4000)
  heartbeat.stop()
  heartbeat.stop()
  vi.advanceTimersByTime(4000)
  expect(sent.map(([type, { active, processed, freq }]) => [type, active, processed, freq])).toEqual([
    ['worker-online', 1, 5, 2],
    ['worker-heartbeat', 1, 6, 2],
    ['worker-heartbeat', 1, 6, 2],
    ['worker-offline', 1, 6, 2],
  ])
  expect(sent[0]![1]).toMatchObject({ sw_ident: expect.any(String) as string, sw_ver: '1.2.3' })
})
