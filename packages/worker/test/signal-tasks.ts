/** Tasks with signals, loaded by the test, by the worker's threads and by its children. Each signal says where it was sent. */
import { isMainThread } from 'node:worker_threads'
import { redis } from '@ct/broker-redis'
import { App, Ignore } from '@ct/client'

export const app = new App({
  name: 'signals',
  broker: process.env['CT_SIGNAL_TEST_URL'] ?? 'redis://localhost:1',
  backend: process.env['CT_SIGNAL_TEST_URL'] ?? 'redis://localhost:1',
  adapters: [redis],
  taskDefaultQueue: 'signals',
})

export const main: { pid: number } = { pid: Number(process.env['CT_SIGNAL_TEST_PID']) }

const names = [
  ...([
    'onAfterFork',
    'workerBeforeCreateProcess',
    'workerProcessInit',
    'taskReceived',
    'taskPrerun',
  ] as const),
  ...(['taskPostrun', 'taskSuccess', 'taskFailure'] as const),
]
for (const name of names) {
  app.signals[name].connect((fields: object) => {
    const { state, result } = fields as { readonly state?: string; readonly result?: unknown }
    const here = isMainThread && process.pid === main.pid
    const facts = [name, state, result === undefined ? undefined : JSON.stringify(result)]
    app.context.logger.warn(
      `signal ${facts.filter((fact) => fact !== undefined).join(' ')} ${here ? 'in main' : 'in slot'}`,
    )
  })
}

app.task('pair', (x: number, y: number) => [x, y])
app.task('broken', () => {
  throw new Error('broken')
})
app.task('ignored', () => {
  throw new Ignore()
})
