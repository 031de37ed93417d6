import { python, startPythonWorker } from '@ct-tools/interop'
import type { Shape, WorkflowContestant } from './shapes.ts'

const shapes: Readonly<Record<Shape, string>> = {
  chord: 'chord([add.s(n, 1) for n in range(size)], xsum.s()).apply_async().get(timeout=300)',
  chain: 'chain(add.s(0, 1), *[add.s(1) for _ in range(size - 1)]).apply_async().get(timeout=300)',
  chains:
    '[r.get(timeout=300) for r in [chain(add.s(n, 1), add.s(1), add.s(1)).apply_async() for n in range(size)]] and None',
  group: 'len(group([add.s(n, 1) for n in range(size)]).apply_async().get(timeout=300))',
}

export const celeryWorkflows: WorkflowContestant = {
  name: 'Celery',
  about: 'celery 5.7.0, a client process and a worker with 2 prefork processes, default options',

  async run(redisUrl, shape, { count, repeats }) {
    const app = { broker: redisUrl, backend: redisUrl }
    await using _worker = await startPythonWorker({
      ...app,
      version: '5.7',
      concurrency: 2,
    })
    await using client = await python('5.7', app)
    return await client.exec<number[]>(
      `
      def run(size):
          start = time.monotonic()
          ${shapes[shape]}
          return time.monotonic() - start
      run(max(10, round(count / 5)))
      [run(count) for _ in range(repeats + 1)]
      `,
      { count, repeats },
      400_000,
    )
  },
}
