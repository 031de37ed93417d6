import os from 'node:os'
import type { App } from '@ct/client'
import type { Worker } from '@ct/worker'
import type { Style } from '../output/style.ts'

/** What a worker is, as data: shown as a banner, or logged as one record with `--log-format json`. */
export interface WorkerProfile {
  readonly node: string
  readonly version: string
  readonly runtime: string
  readonly pid: number
  readonly app: string
  readonly transport: string
  readonly results: string
  readonly concurrency: number
  readonly pool: string
  readonly taskEvents: boolean
  readonly acks: string
  readonly queues: readonly {
    readonly name: string
    readonly exchange: string
    readonly type: string
    readonly key: string
  }[]
  readonly tasks: readonly string[]
}

export function profileOf(
  app: App,
  worker: Worker,
  about: { readonly version: string; readonly module: string; readonly taskEvents: boolean },
): WorkerProfile {
  const { context } = app
  const { settings, queues } = context
  const most = settings.maxDeliveries
  return {
    node: worker.hostname,
    version: about.version,
    runtime: `Node ${process.version}, ${os.type()} ${os.release()} ${process.arch}`,
    pid: process.pid,
    app: app.name === undefined ? about.module : `${app.name} (${about.module})`,
    transport:
      context.broker.describe().url +
      (context.broker.capabilities.durable ? '' : ' (nobody outside this process reaches it)'),
    results: context.backend?.describe().url ?? 'disabled (backend: … in createApp() keeps them)',
    concurrency: worker.concurrency,
    pool: worker.pool.name,
    taskEvents: about.taskEvents,
    acks: settings.taskAcksLate
      ? `late${most === null ? '' : `, parked after ${most} starts without an end`}`
      : 'early: a task that is lost while it runs is not run again',
    queues: worker.queues.map((name) => {
      const queue = queues.find(name)
      return {
        name,
        exchange: queue?.exchange?.name ?? '',
        type: queue?.exchange?.type ?? 'direct',
        key: queue?.routingKey ?? name,
      }
    }),
    tasks: worker.tasks.filter((name) => !name.startsWith('celery.')),
  }
}

/** Celery's facts (WORK-2) in ct's form; the tasks are listed at level info and below, else counted. */
export function banner(
  profile: WorkerProfile,
  options: { readonly style: Style; readonly listTasks: boolean },
): string {
  const { style, listTasks } = options
  const width = 13
  const row = (name: string, values: readonly string[]): string[] =>
    values.map((value, index) => `  ${style.paint('dim', (index === 0 ? name : '').padEnd(width))}${value}`)
  const { tasks } = profile
  const widest = Math.max(...profile.queues.map(({ name }) => name.length), 0)
  const queues = profile.queues.map(
    ({ name, exchange, type, key }) =>
      `${name.padEnd(widest)}  exchange "${exchange}" (${type}), key "${key}"`,
  )
  const lines = [
    '',
    `  ${style.paint(['bold', 'green'], 'ct')} ${profile.version}  ${style.paint('bold', profile.node)}  pid ${profile.pid}`,
    `  ${style.paint('dim', profile.runtime)}`,
    '',
    ...row('app', [profile.app]),
    ...row('transport', [profile.transport]),
    ...row('results', [profile.results]),
    ...row('concurrency', [`${profile.concurrency} (${profile.pool})`]),
    ...row('task events', [profile.taskEvents ? 'on' : 'off (-E sends them to monitors)']),
    ...row('acks', [profile.acks]),
    ...row('queues', queues.length > 0 ? queues : ['none']),
    ...row(
      'tasks',
      tasks.length === 0
        ? [style.paint('yellow', 'none: does the module register any?')]
        : listTasks
          ? tasks
          : [`${tasks.length} (-l info lists them)`],
    ),
    '',
  ]
  return lines.join('\n')
}
