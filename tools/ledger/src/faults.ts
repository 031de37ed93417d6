/** What is done to a campaign, and when: a schedule that a seed decides. */
import { setTimeout as sleep } from 'node:timers/promises'
import type { PythonWorker } from '@ct-tools/interop'
import type { CtProcess } from './ct-process.ts'
import { Random } from './random.ts'
import type { BrokerTarget } from './servers.ts'

/**
 *   kill       SIGKILL of a ct worker, which is started again
 *   restart    SIGTERM of a ct worker (warm), which is started again: explains nothing
 *   nap        SIGSTOP for less than the lease, SIGCONT: explains nothing
 *   freeze     SIGSTOP past the lease, SIGCONT
 *   cut        the connections of a worker or producer are reset
 *   mute       the same after a while in which commands were executed and no reply came back
 *   hole       the same after a while in which nothing went through, past the lease
 *   client-kill  the server ends the connections of all ct processes (CLIENT KILL; the management of RabbitMQ)
 *   producer-kill SIGKILL of a producer that has published and not got its confirms, started again
 *   broker-kill   SIGKILL of the broker, started again from what it has on disk
 *   broker-outage the same, and it is away for longer than a publish waits
 *   broker-freeze SIGSTOP of the broker for less than the lease
 *   queue-swap    a queue is deleted under its consumers and made again with other arguments: explains nothing
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
  | 'producer-kill'
  | 'broker-kill'
  | 'broker-outage'
  | 'broker-freeze'
  | 'queue-swap'
  | 'python-kill'
  | 'python-end'

/** All that hits ct and any broker. */
export const ctFaults: readonly FaultKind[] = [
  'kill',
  'restart',
  'nap',
  'freeze',
  'cut',
  'mute',
  'hole',
  'client-kill',
  'producer-kill',
  'broker-kill',
  'broker-freeze',
]

/** And what only RabbitMQ knows. */
export const rabbitFaults: readonly FaultKind[] = [...ctFaults, 'queue-swap']

/** Nobody sends to it: it is there to be swapped under the workers that consume it. */
export const sparedQueue = 'ledger.swapped'

export interface Fault {
  readonly kind: FaultKind
  /** Name of the process, or of the broker. */
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
    case 'broker-freeze':
      return leaseMs * (0.1 + 0.2 * random.next())
    case 'freeze':
      return leaseMs * (1.4 + random.next())
    case 'mute':
      return 50 + 500 * random.next()
    case 'queue-swap':
      return 500 + 2000 * random.next()
    case 'hole':
      return leaseMs * (1.2 + 0.5 * random.next())
    case 'broker-outage':
      return 11_000 + 3000 * random.next()
    case 'kill':
    case 'producer-kill':
    case 'broker-kill':
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
  /** Warm; one that does not stop is killed, which is noted. */
  readonly stop: (worker: PythonWorker) => Promise<void>
  /**
   * They are stopped warm before the broker is killed and started again afterwards: kombu loses what it has popped of Redis and not yet noted, and a
   * Celery worker may end itself over a lost broker.
   */
  readonly spared: boolean
}

export interface Stage {
  readonly broker: BrokerTarget
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
  const { broker } = stage
  const onBroker = (run: (ms: number) => Promise<void | Window>): Target => ({
    name: broker.name,
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
      return onBroker(() => broker.closeConnections())
    case 'producer-kill':
      return on(choose(stage.producers.filter((one) => one.isRunning)), async (one, ms) => {
        // What it sends arrives, and it never hears of it.
        const end = one.proxy.mute()
        await sleep(ms)
        const stillThere = one.isRunning
        await one.kill()
        end()
        if (stillThere) one.start()
      })
    case 'broker-kill':
    case 'broker-outage':
      return onBroker(async (ms) => {
        const { workers, start, stop, spared } = stage.python
        if (spared) await Promise.all(workers.map(stop))
        const from = Date.now()
        await broker.kill()
        await sleep(ms)
        await broker.start()
        const to = Date.now()
        if (spared) workers.splice(0, Infinity, ...(await Promise.all(workers.map(start))))
        return { from, to }
      })
    case 'broker-freeze':
      return onBroker(async (ms) => {
        broker.pause()
        await sleep(ms)
        broker.resume()
      })
    case 'queue-swap':
      // In turn with what else befalls the broker.
      return onBroker(async (ms) => {
        const end = await broker.swapQueue?.(sparedQueue)
        await sleep(ms)
        await end?.()
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
