/** A worker for users' own tests: started, quick to start, quick to stop. */
import type { App } from '@ct/client'
import { createWorker, type Worker, type WorkerOptions } from '@ct/worker'

/**
 * Starts a worker for the tasks of `app` in this process. It neither asks other workers for anything nor sends heartbeats, and takes a
 * node name that no other has; every option of a worker can be given.
 *
 * @example
 * await using worker = await startTestWorker(app)
 * expect(await (await add.delay(2, 2)).get({ timeoutMs: 1_000 })).toBe(4)
 */
export async function startTestWorker(app: App, options: WorkerOptions = {}): Promise<Worker> {
  const { testWorkerStarting, testWorkerStarted, testWorkerStopped } = app.signals
  await testWorkerStarting.send({ sender: app })
  const worker = createWorker(app, {
    hostname: `test-${crypto.randomUUID().slice(0, 8)}@%h`,
    withoutMingle: true,
    withoutHeartbeat: true,
    ...options,
  })
  worker.on('stopped', () => void testWorkerStopped.send({ sender: app, worker }))
  await worker.start()
  await testWorkerStarted.send({ sender: app, worker, consumer: worker })
  return worker
}
