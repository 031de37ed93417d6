import { memory } from '@ct/broker-memory'
import { createApp } from '@ct/client'
import { recordingLogger } from '@ct/testing'
import { expect, it } from 'vitest'
import { createWorker } from './index.ts'

it('PAIN-2: a task that keeps the event loop is named, with how long heartbeats and leases stood still', async () => {
  const logger = recordingLogger()
  const app = createApp({
    adapters: [memory],
    broker: 'memory://loop-watch',
    backend: 'memory://loop-watch',
    logger,
  })
  const burn = app.task('burn', (ms: number) => {
    const until = performance.now() + ms
    while (performance.now() < until);
  })
  const wait = app.task('wait', () => new Promise((resolve) => setTimeout(resolve, 50)))
  const worker = createWorker(app, { withoutMingle: true })
  await worker.start()
  await (await wait.delay()).get()
  const burning = await burn.delay(1300)
  await burning.get({ timeoutMs: 10_000 })
  const warnings = (): string[] =>
    logger.lines('warn').filter((line) => line.includes('The event loop stood still'))
  await expect.poll(() => warnings().length, { timeout: 5000 }).toBe(1)
  expect(warnings()[0]).toMatch(/stood still for [\d.]+ s, kept by task burn\[/)
  expect(warnings()[0]).toContain(`burn[${burning.id}]`)
  expect(warnings()[0]).toContain('Heartbeats, lease renewals and remote control were late by as much.')
  const record = logger.records.find(({ message }) => message.includes('stood still'))
  expect(record?.fields['delayMs']).toBeGreaterThan(1000)
  await worker.stop()
  await app.close()
})
