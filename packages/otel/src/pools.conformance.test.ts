/** Spans of tasks that run in threads and in child processes: exported there, in the trace of their callers. */
import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { freshRedis, guardedDirectory, tryServices } from '@ct-tools/services'
import { chain, type AsyncResult } from '@ct/client'
import { processesPool } from '@ct/pool-processes'
import { threadsPool } from '@ct/pool-threads'
import { createWorker } from '@ct/worker'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import type * as poolTasks from '../test/pool-tasks.ts'
import type { ExportedSpan } from '../test/pool-tasks.ts'

const present = (await tryServices(['redis'])) !== undefined
const soon = { timeoutMs: 20_000 }
const module = new URL('../test/pool-tasks.ts', import.meta.url)

describe.skipIf(!present)('spans of tasks in slots elsewhere', () => {
  let redis: Awaited<ReturnType<typeof freshRedis>>
  let tasks: typeof poolTasks
  const file = join(guardedDirectory('spans'), 'spans.jsonl')

  beforeAll(async () => {
    redis = await freshRedis()
    process.env['CT_OTEL_TEST_REDIS'] = redis.url
    process.env['CT_OTEL_TEST_SPANS'] = file
    tasks = await import('../test/pool-tasks.ts')
  })
  afterAll(async () => {
    tasks.instrumentation.disable()
    await tasks.app.close()
    await tasks.provider.shutdown()
    await redis.release()
  })

  /** Its trace id, when what the call gave has ended. */
  async function traced(name: string, call: () => Promise<AsyncResult<unknown>>): Promise<string> {
    return await tasks.provider.getTracer('test').startActiveSpan(name, async (span) => {
      try {
        const result = await call()
        await result.get(soon)
        return span.spanContext().traceId
      } finally {
        span.end()
      }
    })
  }

  it.each([
    ['threads', threadsPool],
    ['processes', processesPool],
  ] as const)(
    'OBS, WORK-42: in %s a run is the child of its call, what it sends is its child, a retry is linked to the attempt before',
    async (name, pool) => {
      const { app, provider } = tasks
      const worker = createWorker(app, {
        pool: pool(),
        modules: [module],
        concurrency: 1,
        withoutMingle: true,
        withoutHeartbeat: true,
      })
      await worker.start()
      const add = (...args: number[]): ReturnType<typeof app.signature> =>
        app.signature('traced.add', { args })
      let called: string
      let linked: string
      let retried: string
      try {
        called = await traced(`call ${name}`, async () => {
          const outer = await app.sendTask('traced.outer')
          return app.asyncResult((await outer.get(soon)) as string)
        })
        linked = await traced(
          `chain ${name}`,
          () => chain(add(1, 2), add(3)).applyAsync() as Promise<AsyncResult<unknown>>,
        )
        retried = await traced(`retry ${name}`, () => app.sendTask('traced.flaky'))
      } finally {
        // Warm: slots say good-bye, which brings out what they have not exported.
        await worker.stop()
      }
      await provider.forceFlush()
      const lines = readFileSync(file, 'utf8').trim().split('\n')
      const spans = lines.map((line) => JSON.parse(line) as ExportedSpan)
      const here = `${process.pid}/0`
      /** Names of a trace's spans from the root on, each with its only child, and whether they were made here. */
      const path = (trace: string): string[] => {
        const found = spans.filter((span) => span.trace === trace)
        const names: string[] = []
        for (let at = found.find(({ parent }) => parent === null); at !== undefined;) {
          names.push(`${at.where === here ? 'here' : 'there'} ${at.name}`)
          const { id } = at
          at = found.find(({ parent }) => parent === id)
        }
        expect(found).toHaveLength(names.length)
        return names
      }
      expect(path(called)).toEqual([
        `here call ${name}`,
        'here apply_async/traced.outer',
        'there run/traced.outer',
        'there apply_async/traced.add',
        'there run/traced.add',
      ])
      expect(path(linked)).toEqual([
        `here chain ${name}`,
        'here apply_async/traced.add',
        'there run/traced.add',
        'here apply_async/traced.add',
        'there run/traced.add',
      ])
      expect(path(retried)).toEqual([
        `here retry ${name}`,
        'here apply_async/traced.flaky',
        'there run/traced.flaky',
        'here apply_async/traced.flaky',
        'there run/traced.flaky',
      ])
      const [first, second] = spans.filter((span) => span.trace === retried && span.name.startsWith('run/'))
      expect([first!.links, second!.links]).toEqual([[], [first!.id]])
    },
    90_000,
  )
})
