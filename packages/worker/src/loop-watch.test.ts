import { memory } from '@ct/broker-memory'
import { createApp } from '@ct/client'
import { type LogRecord, recordingLogger } from '@ct/testing'
import { describe, expect, it } from 'vitest'
import { createWorker } from './index.ts'
import { LoopWatch } from './loop-watch.ts'

function burn(ms: number): void {
  const until = performance.now() + ms
  while (performance.now() < until);
}

it('PAIN-2: a task that keeps the event loop is named, with how long heartbeats and leases stood still', async () => {
  const logger = recordingLogger()
  const app = createApp({
    adapters: [memory],
    broker: 'memory://loop-watch',
    backend: 'memory://loop-watch',
    logger,
  })
  const burns = app.task('burn', burn)
  const wait = app.task('wait', () => new Promise((resolve) => setTimeout(resolve, 50)))
  const worker = createWorker(app, { withoutMingle: true })
  await worker.start()
  await (await wait.delay()).get()
  const burning = await burns.delay(1300)
  await burning.get({ timeoutMs: 10_000 })
  // A machine that stands still itself may add lines of its own.
  const told = (): LogRecord | undefined =>
    logger.records.find(({ message }) => message.includes(`kept by task burn[${burning.id}]`))
  await expect.poll(told).toBeDefined()
  expect(told()!.level).toBe('warn')
  expect(told()!.message).toMatch(/^The event loop stood still for [\d.]+ s, /)
  expect(told()!.message).toContain('Heartbeats, lease renewals and remote control were late by as much.')
  expect(told()!.fields['delayMs']).toBeGreaterThan(1000)
  await worker.stop()
  await app.close()
})

describe('PAIN-2: a delay is told', () => {
  it('of a loop kept before the first look, where the look comes before the measure of it', async () => {
    const told = new Set<number>()
    const watches = Array.from(
      { length: 10 },
      (_, index) => new LoopWatch({ active: () => [], warn: () => told.add(index), thresholdMs: 600 }),
    )
    // Samples of ten milliseconds, begun one after the other: of most of them the next one is due after the timer below.
    for (const watch of watches) {
      watch.start()
      burn(1)
    }
    await new Promise((resolve) => setTimeout(resolve, 30))
    await new Promise((resolve) => setImmediate(resolve))
    // Timers run together: with this one, which is due first, the look that is overdue by then runs too.
    const timer = new Promise((resolve) => setTimeout(resolve, 1))
    burn(1000)
    await timer
    await expect.poll(() => told.size).toBe(watches.length)
    for (const watch of watches) watch.stop()
  })

  it('of a loop kept again just after it was told of', async () => {
    const told: string[] = []
    let again: NodeJS.Timeout | undefined
    const warn = (line: string): void => {
      told.push(line)
      again ??= setTimeout(() => burn(1000), 40)
    }
    const watch = new LoopWatch({ active: () => [], warn, thresholdMs: 600 })
    watch.start()
    await new Promise((resolve) => setTimeout(resolve, 150))
    burn(1000)
    await expect.poll(() => told.length).toBe(2)
    watch.stop()
  })
})
