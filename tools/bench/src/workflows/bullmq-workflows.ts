import { FlowProducer, Worker, type FlowJob } from 'bullmq'
import { countdown } from '../contestant.ts'
import { timed, type Shape, type WorkflowContestant } from './shapes.ts'

const queueName = 'flows'
const job = (name: string, data: object, children?: FlowJob[]): FlowJob => ({
  name,
  queueName,
  data,
  ...(children === undefined ? {} : { children }),
})

/** Steps of a chain: each waits for its one child. */
function nested(steps: number, at: number): FlowJob {
  let flow = job('step', { x: at })
  for (let n = 1; n < steps; n += 1) flow = job(n === steps - 1 ? 'last' : 'step', { x: 1 }, [flow])
  return flow
}

function flowsOf(shape: Shape, count: number): FlowJob[] {
  const parts = (): FlowJob[] => Array.from({ length: count }, (_, n) => job('part', { x: n }))
  if (shape === 'chain') return [nested(count, 0)]
  if (shape === 'chains') return Array.from({ length: count }, (_, n) => nested(3, n))
  return [job('last', {}, parts())]
}

/** Parents read their children's values, as a chord's body gets its parts. */
export const bullmqWorkflows: WorkflowContestant = {
  name: 'BullMQ',
  about: 'bullmq 6.7.0, FlowProducer and a worker (concurrency 100) in one process, default options',

  async run(redisUrl, shape, options) {
    const url = new URL(redisUrl)
    const connection = { host: url.hostname, port: Number(url.port), maxRetriesPerRequest: null }
    const producer = new FlowProducer({ connection })
    const worker = new Worker<{ x?: number }, number>(
      queueName,
      async (one) => {
        const values = one.name === 'part' ? {} : await one.getChildrenValues<number>()
        return (one.data.x ?? 0) + 1 + Object.values(values).reduce((sum, value) => sum + value, 0)
      },
      { connection, concurrency: 100 },
    )
    await worker.waitUntilReady()
    const run = async (size: number): Promise<void> => {
      const flows = flowsOf(shape, size)
      const done = countdown(flows.length)
      const listen = (ended: { name: string }): void => {
        if (ended.name === 'last') done.hit()
      }
      worker.on('completed', listen)
      await producer.addBulk(flows)
      await done.reached
      worker.off('completed', listen)
    }
    const seconds = await timed(options, run)
    await worker.close(true)
    await producer.close()
    return seconds
  },
}
