/** The servers of a campaign: the broker that everything befalls, and the Redis that keeps the results. */
import { PrivateRabbit, startPrivateRedis, type PrivateRedis } from '@ct-tools/services'
import { historyOf } from './aof.ts'
import { findLeftovers, openWork, type Leftovers } from './leftovers.ts'
import { RabbitQueues } from './rabbit-queues.ts'
import type { BrokerName } from './scene.ts'

export interface Servers {
  readonly broker: BrokerName
  /** Port and URL of the broker itself, without a proxy. */
  readonly port: number
  readonly url: string
  /** Results, and everything where Redis is the broker. */
  readonly redis: PrivateRedis
  /** What faults are done to. */
  readonly target: BrokerTarget
  openWork(queues: readonly string[]): Promise<string[]>
  findLeftovers(queues: readonly string[], withPython: boolean): Promise<Leftovers>
  /** What the server knows of a message with this text, one line each. */
  historyOf(text: string): readonly string[]
}

/** A broker that can be maltreated. */
export interface BrokerTarget {
  readonly name: BrokerName
  /** Ends the connections of all ct processes, as an operator does. */
  closeConnections(): Promise<void>
  kill(): Promise<void>
  start(): Promise<void>
  pause(): void
  resume(): void
  /** Deletes a queue under its consumers, and makes another of its name with other arguments; resolves to what takes that away again. */
  swapQueue?(queue: string): Promise<() => Promise<void>>
}

export async function startServers(broker: BrokerName, stack: AsyncDisposableStack): Promise<Servers> {
  // The file is read after a loss: nothing may shorten it.
  const redis = stack.use(
    await startPrivateRedis({ appendonly: 'always', args: ['--auto-aof-rewrite-percentage', '0'] }),
  )
  return broker === 'redis' ? onRedis(redis) : await onRabbit(redis, stack)
}

function onRedis(redis: PrivateRedis): Servers {
  return {
    broker: 'redis',
    port: redis.port,
    url: redis.url,
    redis,
    target: {
      name: 'redis',
      closeConnections: () => killClients(redis),
      kill: () => redis.kill(),
      start: () => redis.start(),
      pause: () => redis.pause(),
      resume: () => redis.resume(),
    },
    openWork: (queues) => openWork(redis, queues),
    findLeftovers: (queues, withPython) => findLeftovers(redis, queues, withPython),
    historyOf: (text) => historyOf(redis.folder, text),
  }
}

async function onRabbit(redis: PrivateRedis, stack: AsyncDisposableStack): Promise<Servers> {
  const rabbit = stack.use(await PrivateRabbit.start({ management: true }))
  const queues = new RabbitQueues(rabbit)
  return {
    broker: 'rabbitmq',
    port: rabbit.port,
    url: rabbit.url,
    redis,
    target: {
      name: 'rabbitmq',
      closeConnections: () => queues.closeConnections(),
      kill: () => rabbit.kill(),
      start: () => rabbit.start(),
      pause: () => rabbit.pause(),
      resume: () => rabbit.resume(),
      swapQueue: (queue) => queues.swap(queue),
    },
    openWork: (names) => queues.open(names),
    async findLeftovers(names, withPython) {
      const ofResults = await findLeftovers(redis, [], withPython)
      return {
        open: await queues.open([...names, ...names.map((name) => `${name}.parked`)]),
        stray: [...ofResults.stray, ...(await queues.stray(names))],
        documented: ofResults.documented,
      }
    },
    historyOf: () => [],
  }
}

/** Those of ct: a Python consumer that is cut between its pop and its note of it loses the message, which is no business of ours. */
async function killClients(redis: PrivateRedis): Promise<void> {
  const list = String(await redis.command('CLIENT', 'LIST'))
  for (const line of list.split('\n')) {
    const id = /^id=(\d+) /.exec(line)?.[1]
    if (id !== undefined && / name=ct:/.test(line)) await redis.command('CLIENT', 'KILL', 'ID', id)
  }
}
