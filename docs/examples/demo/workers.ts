/** The worker of the demo: in this process, or with a broker that others reach too, in one of its own as in production. */
import { spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { app } from './tasks.ts'

export interface DemoWorker extends AsyncDisposable {
  readonly where: string
}

export async function workerHere(): Promise<DemoWorker> {
  const worker = app.worker({ hostname: 'demo@%h' })
  await worker.start()
  return { where: 'in this process', [Symbol.asyncDispose]: () => worker.stop() }
}

/** `ct worker -A tasks.ts`, as one would type it. */
export async function workerProcess(): Promise<DemoWorker> {
  const ct = fileURLToPath(
    import.meta.resolve('@ct/core/package.json').replace(/package\.json$/, 'bin/ct.js'),
  )
  const tasks = fileURLToPath(new URL('tasks.ts', import.meta.url))
  const worker = spawn(
    process.execPath,
    [...process.execArgv, ct, 'worker', '-A', tasks, '-n', 'demo@%h', '-l', 'info', '-q'],
    {
      stdio: ['ignore', 'ignore', 'pipe'],
    },
  )
  const stop = (): boolean => worker.kill('SIGTERM')
  process.on('exit', stop)
  let log = ''
  await new Promise<void>((resolve, reject) => {
    worker.stderr.setEncoding('utf8').on('data', (text: string) => {
      log += text
      if (log.includes('ready.')) resolve()
    })
    worker.on('exit', () => reject(new Error(`The worker ended before it was ready.\n${log}`)))
  })
  return {
    where: `in process ${worker.pid}`,
    [Symbol.asyncDispose]: async () => {
      process.off('exit', stop)
      if (worker.exitCode !== null || worker.signalCode !== null) return
      const ended = once(worker, 'exit')
      stop()
      await ended
    },
  }
}
