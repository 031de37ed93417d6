import { execFile } from 'node:child_process'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import type { PrivateRedis } from '@ct-tools/services'
import { runChild, startServing } from './child.ts'
import type { Contestant, DrainResult } from './contestant.ts'
import { median, quantile } from './statistics.ts'

export interface Measured {
  readonly metric: string
  readonly value: number
  readonly unit: string
  /** True where more is better. */
  readonly more: boolean
}

export interface Figure extends Measured {
  readonly scenario: string
  readonly contestant: string
  readonly variant: string
  readonly round: number
}

interface Situation {
  readonly contestant: Contestant
  readonly variant: string
  readonly redis: PrivateRedis
  readonly tasks: number
}

export interface Scenario {
  readonly name: string
  readonly title: string
  /** Not repeated in rounds. */
  readonly once?: boolean
  /** Variants a contestant is measured in; none means it does not take part. */
  variants(contestant: Contestant): readonly string[]
  measure(situation: Situation): Promise<readonly Measured[]>
}

const callers = 500
const batch = 1000
const servingConcurrency = 50

const perSecond = (tasks: number, seconds: number): Measured => ({
  metric: 'rate',
  value: tasks / seconds,
  unit: 'tasks/s',
  more: true,
})

/** Of the process that is measured, servers not included; of Celery's processes nothing is known. */
function cpuPerTask(tasks: number, { cpuSeconds }: DrainResult): readonly Measured[] {
  if (cpuSeconds === undefined) return []
  return [{ metric: 'CPU per task', value: (cpuSeconds * 1e6) / tasks, unit: 'µs', more: false }]
}

async function measureDrain(
  { contestant, variant, redis, tasks }: Situation,
  scenario: 'drain' | 'drainWarm',
): Promise<readonly Measured[]> {
  // Celery works about fifty times slower; a tenth of the tasks is enough to know its rate.
  const share = contestant.name === 'Celery' ? Math.max(1000, tasks / 10) : tasks
  await runChild([contestant.name, 'fill', redis.url, share])
  const result = await runChild<DrainResult>([contestant.name, scenario, redis.url, share, variant])
  return [perSecond(share, result.seconds), ...cpuPerTask(share, result)]
}

async function commandsProcessed(redis: PrivateRedis): Promise<number> {
  const info = String(await redis.command('INFO', 'stats'))
  return Number(/total_commands_processed:(\d+)/.exec(info)?.[1])
}

export const scenarios: readonly Scenario[] = [
  {
    name: 'drain',
    title: 'Working off queued tasks in one worker process that has just started',
    variants: (contestant) => contestant.concurrencies.map(String),
    measure: (situation) => measureDrain(situation, 'drain'),
  },
  {
    name: 'drainWarm',
    title: 'Working off queued tasks in one worker process that has worked off three times as many before',
    // Celery's processes are its own: each worker is a new one. Low concurrencies are the slower ones, as the drain above has shown.
    variants: (contestant) =>
      contestant.name === 'Celery' ? [] : contestant.concurrencies.filter((one) => one >= 50).map(String),
    measure: (situation) => measureDrain(situation, 'drainWarm'),
  },
  {
    name: 'send',
    title: `Sending one by one from ${callers} concurrent callers`,
    variants: (contestant) => (contestant.send ? [''] : []),
    async measure({ contestant, redis, tasks }) {
      const result = await runChild<DrainResult>([contestant.name, 'send', redis.url, tasks, callers])
      return [perSecond(tasks, result.seconds), ...cpuPerTask(tasks, result)]
    },
  },
  {
    name: 'sendMany',
    title: `Sending in batches of ${batch}`,
    variants: (contestant) => (contestant.sendMany ? [''] : []),
    async measure({ contestant, redis, tasks }) {
      const result = await runChild<DrainResult>([contestant.name, 'sendMany', redis.url, tasks, batch])
      return [perSecond(tasks, result.seconds), ...cpuPerTask(tasks, result)]
    },
  },
  {
    name: 'roundTrip',
    title: 'From send to result on an idle worker',
    variants: (contestant) => (contestant.roundTrips && contestant.serve ? [''] : []),
    async measure({ contestant, redis }) {
      const worker = await startServing(contestant.name, redis.url, servingConcurrency)
      const { milliseconds } = await runChild<{ milliseconds: number[] }>([
        contestant.name,
        'roundTrips',
        redis.url,
        2000,
      ])
      await worker.stop()
      const warm = milliseconds.slice(200)
      return [
        { metric: 'median', value: median(warm), unit: 'ms', more: false },
        { metric: 'p99', value: quantile(warm, 0.99), unit: 'ms', more: false },
      ]
    },
  },
  {
    name: 'idle',
    title: 'An idle worker, without its heartbeat events, 20 s',
    once: true,
    variants: (contestant) => (contestant.serve ? [''] : []),
    async measure({ contestant, redis }) {
      const worker = await startServing(contestant.name, redis.url, servingConcurrency)
      await sleep(3000)
      const before = { commands: await commandsProcessed(redis), usage: await worker.usage() }
      await sleep(20_000)
      const after = { commands: await commandsProcessed(redis), usage: await worker.usage() }
      await worker.stop()
      return [
        // One of the commands is our own INFO.
        {
          metric: 'Redis commands',
          value: (after.commands - before.commands - 1) / 20,
          unit: '/s',
          more: false,
        },
        {
          metric: 'CPU',
          value: ((after.usage.cpuSeconds - before.usage.cpuSeconds) / 20) * 100,
          unit: '%',
          more: false,
        },
      ]
    },
  },
  {
    name: 'memory',
    title: 'Memory of a worker after 20,000 and after 100,000 tasks',
    variants: (contestant) => (contestant.serve ? [''] : []),
    async measure({ contestant, redis }) {
      const worker = await startServing(contestant.name, redis.url, servingConcurrency)
      const measured: Measured[] = []
      for (const [tasks, total] of [
        [20_000, '20,000'],
        [80_000, '100,000'],
      ] as const) {
        await runChild([contestant.name, 'fill', redis.url, tasks])
        await quiet(redis)
        const { rss, heapUsed } = await worker.usage()
        measured.push({ metric: `heap after ${total}`, value: heapUsed / 2 ** 20, unit: 'MiB', more: false })
        measured.push({ metric: `RSS after ${total}`, value: rss / 2 ** 20, unit: 'MiB', more: false })
      }
      await worker.stop()
      return measured
    },
  },
  {
    name: 'import',
    title: "import '@ct/client' in a fresh process",
    variants: (contestant) => (contestant.name === 'ct' ? [''] : []),
    async measure() {
      const script = fileURLToPath(new URL('import-time.ts', import.meta.url))
      const { stdout } = await promisify(execFile)(process.execPath, ['--no-warnings', script])
      return [{ metric: 'time', value: Number(stdout), unit: 'ms', more: false }]
    },
  },
]

/** Resolves when the server has had next to nothing to do for half a second. */
async function quiet(redis: PrivateRedis): Promise<void> {
  let before = await commandsProcessed(redis)
  for (;;) {
    await sleep(500)
    const now = await commandsProcessed(redis)
    if (now - before < 20) return
    before = now
  }
}
