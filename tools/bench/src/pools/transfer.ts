/** What handing a small job to a slot and its outcome back costs: `node transfer.ts <pool> <jobs>`. Prints microseconds of a way, one job at a time. */
import { processesPool } from '@ct/pool-processes'
import { threadsPool } from '@ct/pool-threads'

const [name = '', jobs = ''] = process.argv.slice(2)
const count = Number(jobs)
const pool = name === 'threads' ? threadsPool() : processesPool()
await pool.start({
  size: 1,
  entry: new URL(import.meta.resolve('@ct/testing/conformance/slot-entry')),
  modules: ['data:text/javascript,'],
  config: null,
  execute: () => Promise.reject(new Error('elsewhere')),
  onSlotError: (error) => console.error(error),
  maxTasksPerChild: undefined,
  maxMemoryPerChildKb: undefined,
})
const body = new TextEncoder().encode(JSON.stringify({ do: 'return', value: [1, 2, 'three'] }))
const request = { headers: { id: 'f'.repeat(36), task: 'bench.add', argsrepr: '(1, 2)', retries: 0 } }
const events = { onAccepted: () => undefined, onMessage: () => Promise.resolve(undefined) }
async function run(from: number, to: number): Promise<void> {
  for (let jobId = from; jobId < to; jobId += 1) {
    await pool.submit(
      {
        jobId,
        taskId: 'x',
        taskName: 'bench.add',
        body,
        contentType: 'application/json',
        contentEncoding: 'utf-8',
        request,
      },
      events,
    ).outcome
  }
}
await run(0, 2000)
const start = performance.now()
await run(2000, 2000 + count)
const microseconds = ((performance.now() - start) * 1000) / count / 2
await pool.close()
console.log(JSON.stringify({ microseconds }))
