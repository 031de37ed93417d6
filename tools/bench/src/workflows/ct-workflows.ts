import { redis } from '@ct/broker-redis'
import { chain, chord, createApp, group, type Signature } from '@ct/core'
import { timed, type Shape, type WorkflowContestant } from './shapes.ts'

const untyped = chain as unknown as (...steps: readonly Signature[]) => Signature

/** Client and worker in one process, as a service has them that works off its own tasks. */
export const ctWorkflows: WorkflowContestant = {
  name: 'ct',
  about:
    '@ct/core and @ct/broker-redis as built from this checkout, client and worker (concurrency 100) in one process',

  async run(redisUrl, shape, options) {
    const app = createApp({ name: 'bench', adapters: [redis], broker: redisUrl, backend: redisUrl })
    const add = app.task('bench.add', (x: number, y: number) => x + y)
    const sum = app.task('bench.sum', (numbers: number[]) => numbers.reduce((total, one) => total + one, 0))
    const worker = app.worker({ concurrency: 100 })
    await worker.start()
    const timeoutMs = 120_000
    const one = (step: number, at = step): Signature =>
      (step === 0 ? add.s(at, 1) : add.s(1)) as unknown as Signature
    const runs: Readonly<Record<Shape, (size: number) => Promise<unknown>>> = {
      chord: async (size) => {
        const header = Array.from({ length: size }, (_, n) => add.s(n, 1))
        const result = await chord(header, sum.s() as never).applyAsync()
        return await (result as { get(options: object): Promise<unknown> }).get({ timeoutMs })
      },
      chain: async (size) => {
        const result = await untyped(...Array.from({ length: size }, (_, n) => one(n))).applyAsync()
        return await (result as { get(options: object): Promise<unknown> }).get({ timeoutMs })
      },
      chains: async (size) => {
        const canvases = Array.from({ length: size }, (_, n) => untyped(one(0, n), one(1), one(1)))
        const results = await app.sendMany(canvases)
        return await Promise.all(
          results.map((result) => (result as { get(options: object): Promise<unknown> }).get({ timeoutMs })),
        )
      },
      group: async (size) => {
        const result = await group(Array.from({ length: size }, (_, n) => add.s(n, 1))).applyAsync()
        return await result.get({ timeoutMs })
      },
    }
    const seconds = await timed(options, runs[shape])
    await worker.stop()
    await app.close()
    return seconds
  },
}
