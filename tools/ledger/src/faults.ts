/** What is done to a campaign, and when: a schedule that a seed decides. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { PythonWorker } from '@ct-tools/interop'
import type { PrivateRedis } from '@ct-tools/services'
import type { CtProcess } from './ct-process.ts'
import { Random } from './random.ts'

/**
 *   kill       SIGKILL of a ct worker, which is started again
 *   restart    SIGTERM of a ct worker (warm), which is started again: explains nothing
 *   nap        SIGSTOP for less than the lease, SIGCONT: explains nothing
 *   freeze     SIGSTOP past the lease, SIGCONT
 *   cut        the connections of a worker or producer are reset
 *   mute       the same after a while in which commands were executed and no reply came back
 *   hole       the same after a while in which nothing went through, past the lease
 *   client-kill  CLIENT KILL of the connections of all ct processes
 *   redis-kill   SIGKILL of Redis, started again from its append-only file
 *   redis-outage the same, and it is away for longer than a publish waits
 *   redis-freeze SIGSTOP of Redis for less than the lease
 *   python-kill  SIGKILL of a Python worker with its pool, started again
 *   python-end   a Python worker ended by itself, and was started again
 */
export type FaultKind =
  | 'kill'
  | 'restart'
  | 'nap'
  | 'freeze'
  | 'cut'
  | 'mute'
  | 'hole'
  | 'client-kill'
  | 'redis-kill'
  | 'redis-outage'
  | 'redis-freeze'
  | 'python-kill'
  | 'python-end'

/** All that hits ct and Redis. */
export const ctFaults: readonly FaultKind[] = [
  'kill',
  'restart',
  'nap',
  'freeze',
  'cut',
  'mute',
  'hole',
  'client-kill',
  'redis-kill',
  'redis-freeze',
]

export interface Fault {
  readonly kind: FaultKind
  /** Name of the process, or `redis`. */
  readonly target: string
  /** Process that it happened to; 0: all. */
  readonly pid: number
  readonly from: number
  readonly to: number
}

export interface PlannedFault {
  readonly kind: FaultKind
  readonly atMs: number
  readonly ms: number
  /** Chooses among the targets. */
  readonly lot: number
}

/** One fault every `everyMs` or so, over `durationMs`; each kind at least once where there is room. */
export function planFaults(options: {
  readonly seed: number
  readonly durationMs: number
  readonly everyMs: number
  readonly leaseMs: number
  readonly kinds: readonly FaultKind[]
}): PlannedFault[] {
  const random = new Random(options.seed)
  const { durationMs, everyMs, leaseMs, kinds } = options
  const planned: PlannedFault[] = []
  const bag: FaultKind[] = []
  for (
    let at = everyMs;
    at < durationMs && kinds.length > 0;
    at += random.between(everyMs / 2, everyMs * 1.5)
  ) {
    if (bag.length === 0) bag.push(...shuffled(random, kinds))
    const kind = bag.pop()!
    planned.push({ kind, atMs: at, ms: Math.round(lengthOf(kind, leaseMs, random)), lot: random.next() })
  }
  return planned
}

function shuffled<T>(random: Random, items: readonly T[]): T[] {
  return items
    .map((item) => ({ item, at: random.next() }))
    .sort((a, b) => a.at - b.at)
    .map(({ item }) => item)
}

function lengthOf(kind: FaultKind, leaseMs: number, random: Random): number {
  switch (kind) {
    case 'nap':
    case 'redis-freeze':
      return leaseMs * (0.1 + 0.2 * random.next())
    case 'freeze':
      return leaseMs * (1.4 + random.next())
    case 'mute':
      return 50 + 500 * random.next()
    case 'hole':
      return leaseMs * (1.2 + 0.5 * random.next())
    case 'redis-outage':
      return 11_000 + 3000 * random.next()
    case 'kill':
    case 'redis-kill':
    case 'python-kill':
      return 100 + 500 * random.next()
    default:
      return 0
  }
}

export interface PythonPeers {
  /** What ended by itself is replaced. */
  readonly workers: PythonWorker[]
  readonly start: () => Promise<PythonWorker>
  /**
   * They are stopped warm before Redis is killed and started again afterwards: kombu loses what it has popped and not yet noted, and a Celery
   * worker may end itself over a lost Redis.
   */
  readonly spared: boolean
}

export interface Stage {
  readonly redis: PrivateRedis
  readonly workers: readonly CtProcess[]
  readonly producers: readonly CtProcess[]
  readonly python: PythonPeers
  readonly log: (line: string) => void
}

/** Carries out a schedule; resolves when all is in order again, with what was done. */
export async function injectFaults(plan: readonly PlannedFault[], stage: Stage): Promise<Fault[]> {
  const done: Fault[] = []
  const startedAt = Date.now()
  // What takes long (a freeze) does not hold up the next, except of the same target.
  const busy = new Map<string, Promise<void>>()
  for (const planned of plan) {
    await sleep(Math.max(0, startedAt + planned.atMs - Date.now()))
    const target = targetOf(planned, stage)
    if (target === undefined) continue
    const before = busy.get(target.name) ?? Promise.resolve()
    busy.set(
      target.name,
      before.then(async () => {
        const [pid, from] = [target.pid(), Date.now()]
        const own = await target.run(planned.ms)
        const fault = { kind: planned.kind, target: target.name, pid, from, to: Date.now(), ...own }
        done.push(fault)
        stage.log(`${planned.kind} of ${target.name}, ${fault.to - fault.from} ms`)
      }),
    )
  }
  await Promise.all(busy.values())
  return done
}

/** When it really happened, where that is not as long as `run` took. */
type Window = { readonly from: number; readonly to: number }

interface Target {
  readonly name: string
  readonly pid: () => number
  readonly run: (ms: number) => Promise<void | Window>
}

function targetOf({ kind, lot }: PlannedFault, stage: Stage): Target | undefined {
  const choose = <T>(from: readonly T[]): T | undefined => from[Math.floor(lot * from.length)]
  const { redis } = stage
  const onRedis = (run: (ms: number) => Promise<void | Window>): Target => ({
    name: 'redis',
    pid: () => 0,
    run,
  })
  const on = (
    one: CtProcess | undefined,
    run: (one: CtProcess, ms: number) => Promise<void>,
  ): Target | undefined =>
    one === undefined ? undefined : { name: one.name, pid: () => one.pid, run: (ms) => run(one, ms) }
  const worker = choose(stage.workers)
  const anybody = choose([...stage.workers, ...stage.producers])
  switch (kind) {
    case 'kill':
      return on(worker, async (one, ms) => {
        await one.kill()
        await sleep(ms)
        one.start()
      })
    case 'restart':
      return on(worker, async (one) => {
        if ((await one.end(20_000, 'SIGTERM')) === undefined)
          throw new Error(`${one.name} did not stop within 20 s of SIGTERM.`)
        one.start()
      })
    case 'nap':
    case 'freeze':
      return on(worker, async (one, ms) => {
        one.signal('SIGSTOP')
        await sleep(ms)
        one.signal('SIGCONT')
      })
    case 'cut':
      return on(anybody, async (one) => one.proxy.cut())
    case 'mute':
      return on(anybody, (one, ms) => during(one.proxy.mute(), ms))
    case 'hole':
      return on(worker, (one, ms) => during(one.proxy.hole(), ms))
    case 'client-kill':
      return onRedis(() => killClients(redis))
    case 'redis-kill':
    case 'redis-outage':
      return onRedis(async (ms) => {
        const { workers, start, spared } = stage.python
        if (spared) await Promise.all(workers.map((one) => one.stop()))
        const from = Date.now()
        await redis.kill()
        await sleep(ms)
        await redis.start()
        const to = Date.now()
        if (spared) workers.splice(0, Infinity, ...(await Promise.all(workers.map(start))))
        return { from, to }
      })
    case 'redis-freeze':
      return onRedis(async (ms) => {
        redis.pause()
        await sleep(ms)
        redis.resume()
      })
    case 'python-end':
      return undefined
    case 'python-kill': {
      const { workers, start } = stage.python
      const index = Math.floor(lot * workers.length)
      const victim = workers[index]
      if (victim === undefined) return undefined
      return {
        name: `python${index}`,
        pid: () => victim.pid,
        async run(ms) {
          await victim.kill()
          await sleep(ms)
          workers[index] = await start()
        },
      }
    }
  }
}

async function during(end: () => void, ms: number): Promise<void> {
  await sleep(ms)
  end()
}

/** Those of ct: a Python consumer that is cut between its pop and its note of it loses the message, which is no business of ours. */
async function killClients(redis: PrivateRedis): Promise<void> {
  const list = String(await redis.command('CLIENT', 'LIST'))
  for (const line of list.split('\n')) {
    const id = /^id=(\d+) /.exec(line)?.[1]
    if (id !== undefined && / name=ct:/.test(line)) await redis.command('CLIENT', 'KILL', 'ID', id)
  }
}
