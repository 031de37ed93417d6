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
const starting = worker.start()
while (worker.counts.processed === 0) await sleep(1)
const result = await timed(async () => {
  await starting
  while (worker.counts.processed < Number(tasks)) await sleep(5)
  // Ends when the last result and ack are with Redis.
  await worker.stop()
})
await app.close()
console.log(JSON.stringify(result))
process.exit(0)
