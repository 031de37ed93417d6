/** A worker in a process of its own that works off what is queued: `node work.ts <pool> <slots> <tasks>`. Prints seconds and CPU seconds. */
import { setTimeout as sleep } from 'node:timers/promises'
import { timed } from '../contestant.ts'
import { app } from './pool-tasks.ts'

const [pool = '', slots = '', tasks = ''] = process.argv.slice(2)
const worker = app.worker({
  pool,
  concurrency: Number(slots),
  modules: [new URL('./pool-tasks.ts', import.meta.url)],
})

/** Looks seldom while much is left: each look takes the processor from those who work. */
async function processed(count: number): Promise<void> {
  const from = performance.now()
  const before = worker.counts.processed
  for (let left = count - before; left > 0; left = count - worker.counts.processed) {
    const done = worker.counts.processed - before
    const expectedMs = done === 0 ? 10 : ((performance.now() - from) / done) * left
    await sleep(Math.max(2, Math.min(1000, expectedMs / 2)))
  }
}

const starting = worker.start()
while (worker.counts.processed === 0) await sleep(1)
const result = await timed(async () => {
  await starting
  await processed(Number(tasks))
  // Ends when the last result and ack are with Redis.
  await worker.stop()
})
await app.close()
console.log(JSON.stringify(result))
process.exit(0)
