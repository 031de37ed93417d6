/** Where signals are sent when tasks run in threads and child processes. */
import { freshRedis, tryServices, type FreshRedis } from '@ct-tools/services'
import { processesPool } from '@ct/pool-processes'
import { threadsPool } from '@ct/pool-threads'
import { recordingLogger } from '@ct/testing'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { createWorker } from '../src/index.ts'
import type * as signalTasks from './signal-tasks.ts'

const present = (await tryServices(['redis'])) !== undefined
const log = recordingLogger()

describe.skipIf(!present)('signals of pools', () => {
  let redis: FreshRedis
  let tasks: typeof signalTasks

  beforeAll(async () => {
    redis = await freshRedis()
    process.env['CT_SIGNAL_TEST_URL'] = redis.url
    process.env['CT_SIGNAL_TEST_PID'] = String(process.pid)
    tasks = await import('./signal-tasks.ts')
    tasks.app.logTo(log)
    // Vitest runs test files in a thread of its own at times: here is where the worker is.
    tasks.main.pid = process.pid
  })
  afterAll(async () => {
    await tasks.app.close()
    await redis.release()
  })

  it.each([
    ['threads', threadsPool],
    ['processes', (): ReturnType<typeof processesPool> => processesPool({ execArgv: process.execArgv })],
  ])(
    'SIG-5, SIG-6, SIG-18, SIG-19, SIG-31: %s: around a run where it runs, its outcome in the worker',
    async (_, pool) => {
      log.records.length = 0
      const worker = createWorker(tasks.app, {
        pool: pool(),
        modules: [new URL('./signal-tasks.ts', import.meta.url)],
        concurrency: 1,
        withoutMingle: true,
        withoutHeartbeat: true,
      })
      await worker.start()
      const seen = (): readonly string[] =>
        log.records.map(({ message }) => message).filter((message) => message.startsWith('signal '))
      const times = (text: string): number =>
        seen().filter((message) => message.startsWith(`signal ${text}`)).length
      await (await tasks.app.sendTask('pair', { args: [1, 2] })).get({ timeoutMs: 20_000 })
      await (await tasks.app.sendTask('broken')).get({ timeoutMs: 20_000 }).catch(() => undefined)
      await tasks.app.sendTask('ignored')
      await expect.poll(() => times('taskPostrun'), { timeout: 20_000 }).toBe(3)
      await worker.stop()
      const all = seen()
      expect(all).toEqual(expect.arrayContaining(['signal workerBeforeCreateProcess in main']))
      expect(all.filter((message) => message.endsWith('in slot'))).toEqual([
        ...['signal onAfterFork in slot', 'signal workerProcessInit in slot'],
        ...['signal taskPrerun in slot', 'signal taskPostrun SUCCESS in slot'],
        ...['signal taskPrerun in slot', 'signal taskPostrun FAILURE in slot'],
        ...['signal taskPrerun in slot', 'signal taskPostrun IGNORED in slot'],
      ])
      expect(
        all.filter((message) => message.startsWith('signal task') && message.endsWith('in main')),
      ).toEqual([
        ...['signal taskReceived in main', 'signal taskSuccess [1,2] in main', 'signal taskReceived in main'],
        ...['signal taskFailure in main', 'signal taskReceived in main'],
      ])
    },
  )
})
