/**
 * Takes docs/images/flower.png: a real Flower in front of ct workers, as headless Chromium shows it.
 *
 *   node --conditions=@ct/source tools/docs/src/screenshot-flower.ts
 *
 * Not part of the tests: it needs Chromium (Debian's package `chromium`, or CHROMIUM=/path). Look at the picture before you commit it.
 */
import { execFile } from 'node:child_process'
import { mkdtemp, rm } from 'node:fs/promises'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { promisify } from 'node:util'
import { startFlower } from '@ct-tools/interop'
import { freshRedis } from '@ct-tools/services'
import { redisBackend, redisBroker } from '@ct/broker-redis'
import { createApp } from '@ct/core'

const target = new URL('../../../docs/images/flower.png', import.meta.url).pathname

await using redis = await freshRedis()
await using flower = await startFlower({ broker: redis.url, backend: redis.url })
await using app = createApp({
  name: 'shop',
  broker: redisBroker({ url: redis.url }),
  backend: redisBackend({ url: redis.url }),
})
app.task('shop.invoice', (order: number) => `invoice ${order}`)
app.task('shop.resize', async (image: string) => {
  await sleep(40)
  return image
})
app.task('shop.charge', (order: number) => {
  if (order % 9 === 0) throw new RangeError(`card of order ${order} declined`)
  return 'paid'
})
app.task('shop.export', { bind: true }, async (task) => {
  await sleep(60_000, undefined, { signal: task.signal }).catch(() => undefined)
})
const workers = ['orders@web-1', 'orders@web-2', 'images@gpu-1'].map((hostname, index) =>
  app.worker({ hostname, concurrency: [50, 50, 4][index]!, taskEvents: true, withoutMingle: true }),
)
for (const worker of workers) await worker.start()
const names = ['shop.charge', 'shop.invoice', 'shop.resize'] as const
for (let order = 1; order <= 180; order++) await app.sendTask(names[order % 3]!, { args: [order] })
for (let count = 0; count < 5; count++) await app.sendTask('shop.export')
// Flower hears of workers by their heartbeats, and writes its figures down every few seconds.
await sleep(8000)

const profile = await mkdtemp(join(tmpdir(), 'ct-chromium-'))
try {
  await promisify(execFile)(process.env['CHROMIUM'] ?? 'chromium', [
    '--headless',
    '--no-sandbox',
    '--disable-gpu',
    '--disable-quic',
    '--no-first-run',
    '--disable-background-networking',
    '--disable-component-update',
    '--disable-sync',
    '--hide-scrollbars',
    '--window-size=1280,600',
    '--virtual-time-budget=4000',
    `--user-data-dir=${profile}`,
    `--screenshot=${target}`,
    `${flower.url}/workers`,
  ])
} finally {
  await rm(profile, { recursive: true, force: true })
  for (const worker of workers) await worker.stop({ mode: 'cold' })
}
process.stdout.write(`${target}\n`)
