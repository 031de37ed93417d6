import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { runChild, startServing } from '../child.ts'
import type { DrainResult } from '../contestant.ts'
import type { Measured } from '../scenarios.ts'
import type { RabbitContestant } from './contestant.ts'
import { FrameCounter } from './frame-counter.ts'
import { fill } from './message.ts'

const runOne = fileURLToPath(new URL('run-one.ts', import.meta.url))
const callers = 500
const idleSeconds = 40
const heartbeatSeconds = 10

interface Situation {
  readonly contestant: RabbitContestant
  readonly variant: string
  readonly url: string
  readonly tasks: number
}

export interface RabbitScenario {
  readonly name: string
  readonly title: string
  readonly once?: boolean
  variants(contestant: RabbitContestant): readonly string[]
  measure(situation: Situation): Promise<readonly Measured[]>
}

/** Celery is so much slower that a part of the tasks is enough to know its rate. */
function shareOf(contestant: RabbitContestant, tasks: number): number {
  return contestant.name === 'Celery' ? Math.max(1000, tasks / 8) : tasks
}

function rates(tasks: number, { seconds, cpuSeconds }: DrainResult): readonly Measured[] {
  const rate = { metric: 'rate', value: tasks / seconds, unit: 'tasks/s', more: true }
  if (cpuSeconds === undefined) return [rate]
  return [rate, { metric: 'CPU per task', value: (cpuSeconds * 1e6) / tasks, unit: 'µs', more: false }]
}

export const rabbitScenarios: readonly RabbitScenario[] = [
  {
    name: 'rabbit-drain',
    title: 'RabbitMQ: working off queued tasks in one worker process',
    variants: ({ drain, prefetches }) => (drain ? prefetches.map(String) : []),
    async measure({ contestant, variant, url, tasks }) {
      const share = shareOf(contestant, tasks)
      await fill(url, share)
      return rates(
        share,
        await runChild<DrainResult>([contestant.name, 'drain', url, share, variant], runOne),
      )
    },
  },
  {
    name: 'rabbit-publish',
    title: `RabbitMQ: sending from ${callers} concurrent callers, each message confirmed`,
    variants: ({ publish }) => (publish ? [''] : []),
    async measure({ contestant, url, tasks }) {
      const share = shareOf(contestant, tasks)
      return rates(
        share,
        await runChild<DrainResult>([contestant.name, 'publish', url, share, callers], runOne),
      )
    },
  },
  {
    name: 'rabbit-idle',
    title: `RabbitMQ: what an idle worker sends in ${idleSeconds} s, without its events, at a heartbeat of ${heartbeatSeconds} s`,
    once: true,
    variants: ({ serve }) => (serve ? [''] : []),
    async measure({ contestant, url }) {
      const { url: counted, counter } = await FrameCounter.to(url)
      await using _line = counter
      const worker = await startServing(
        contestant.name,
        `${counted}?heartbeat=${heartbeatSeconds}`,
        0,
        runOne,
      )
      await sleep(3000)
      const before = counter.frames
      await sleep(idleSeconds * 1000)
      const after = counter.frames
      await worker.stop()
      const of = (metric: string, value: number, unit: string): Measured => ({
        metric,
        value,
        unit,
        more: false,
      })
      return [
        of('heartbeats', after.heartbeats - before.heartbeats, 'frames'),
        of('anything else', after.others - before.others, 'frames'),
        of('bytes', after.bytes - before.bytes, 'bytes'),
      ]
    },
  },
]
