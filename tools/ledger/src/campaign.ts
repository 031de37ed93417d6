/** One campaign from the empty broker to the verdict. */
import { writeFileSync } from 'node:fs'
import { createRequire } from 'node:module'
import { dirname, join } from 'node:path'
import { setTimeout as sleep } from 'node:timers/promises'
import { fileURLToPath } from 'node:url'
import { python, startPythonWorker, type PythonApp, type PythonWorker } from '@ct-tools/interop'
import { guardedDirectory } from '@ct-tools/services'
import { check, type Verdict } from './check.ts'
import { CtProcess } from './ct-process.ts'
import { injectFaults, planFaults, sparedQueue, type Fault, type FaultKind } from './faults.ts'
import { readJournals } from './journal.ts'
import { checkResults, type Leftovers } from './leftovers.ts'
import { makeOrders, type Order, type OrderKind } from './orders.ts'
import { Proxy } from './proxy.ts'
import { sceneEnvironment, type BrokerName } from './scene.ts'
import { startServers } from './servers.ts'

export interface CampaignOptions {
  readonly seed: number
  /** Default `redis`. On RabbitMQ results are kept in a Redis that nothing befalls. */
  readonly broker?: BrokerName
  /** Orders of the ct producers; an order is one to seven tasks. */
  readonly orders: number
  /** How long they are sent, and faults happen. */
  readonly durationMs: number
  readonly faults: readonly FaultKind[]
  readonly faultEveryMs?: number
  readonly ctWorkers?: number
  readonly ctProducers?: number
  readonly pythonWorkers?: number
  /** Orders of a Python producer. */
  readonly pythonOrders?: number
  readonly leaseMs?: number
  readonly kinds?: Readonly<Record<OrderKind, number>>
  /** How long the rest may take when faults and producers are done. */
  readonly drainMs?: number
  /** The faults hit Python workers too. What they lose is reported and held against nobody. */
  readonly exposePython?: boolean
  readonly log?: (line: string) => void
}

export interface CampaignReport {
  readonly options: CampaignOptions
  readonly faults: readonly Fault[]
  readonly verdict: Verdict
  readonly leftovers: Leftovers
  /** See `ResultCheck`. */
  readonly retryOverSuccess: number
  readonly drainedMs: number
  /** All that must not be. Empty: passed. */
  readonly violations: readonly string[]
  /** Of lost messages: what the server knows. */
  readonly histories: ReadonlyMap<string, readonly string[]>
  readonly folder: string
}

const here = dirname(fileURLToPath(import.meta.url))
const ct = join(dirname(createRequire(import.meta.url).resolve('@ct/core/package.json')), 'bin/ct.js')
const allKinds: Readonly<Record<OrderKind, number>> = { plain: 50, eta: 10, retry: 12, chain: 14, chord: 14 }

export async function runCampaign(options: CampaignOptions): Promise<CampaignReport> {
  const { seed, durationMs, log = () => {}, leaseMs = 3000, kinds = allKinds } = options
  const { ctWorkers = 3, ctProducers = 1, pythonWorkers = 0, pythonOrders = 0 } = options
  const folder = guardedDirectory('ledger')
  await using stack = new AsyncDisposableStack()
  const servers = await startServers(options.broker ?? 'redis', stack)
  const { broker, redis } = servers
  const scene = { broker, folder, visibilityTimeout: leaseMs / 1000, backend: redis.url }
  const mixed = pythonWorkers > 0
  const queues = mixed ? { ledger: 60, 'ledger.ct': 25, 'ledger.py': 15 } : { ledger: 70, 'ledger.ct': 30 }
  const ordersOf = (prefix: string, count: number, salt: number): Order[] =>
    makeOrders({ seed: seed + salt, prefix, count, queues, patientQueues: ['ledger.ct'], leaseMs, kinds })

  const process = async (name: string, args: readonly string[]): Promise<CtProcess> => {
    const one = new CtProcess(name, stack.use(await Proxy.open(servers.port)), scene, args)
    stack.defer(() => one.kill())
    return one
  }
  const workers: CtProcess[] = []
  for (let n = 1; n <= ctWorkers; n += 1) {
    const words = [
      'worker',
      '-A',
      join(here, 'ledger-app.ts'),
      '-n',
      `ct${n}@ledger`,
      '-Q',
      broker === 'redis' ? 'ledger,ledger.ct' : `ledger,ledger.ct,${sparedQueue}`,
      '-c',
      '10',
    ]
    workers.push(await process(`ct${n}`, [ct, ...words, '-l', 'warning']))
  }
  const producers: CtProcess[] = []
  for (let n = 1; n <= ctProducers; n += 1) {
    const file = join(folder, `orders${n}.json`)
    writeFileSync(file, JSON.stringify(ordersOf(`c${n}-`, Math.ceil(options.orders / ctProducers), n)))
    producers.push(await process(`producer${n}`, [join(here, 'produce.ts'), file, String(durationMs)]))
  }
  const peer: PythonApp = {
    broker: servers.url,
    backend: redis.url,
    path: [join(here, '../python')],
    setup: 'import ledger_peer\nledger_peer.register(app)',
    env: sceneEnvironment({ ...scene, url: servers.url }),
    config: {
      worker_prefetch_multiplier: 1,
      broker_transport_options:
        broker === 'redis' ? { visibility_timeout: leaseMs / 1000 } : { confirm_publish: true },
      broker_connection_retry_on_startup: true,
    },
  }
  const exposed = options.exposePython === true
  const peers: PythonWorker[] = []
  const peerEnds: Fault[] = []
  let over = false
  const startPeer = async (): Promise<PythonWorker> => {
    const worker = stack.use(
      await startPythonWorker({ ...peer, version: '5.7', queues: ['ledger', 'ledger.py'], concurrency: 2 }),
    )
    if (exposed) void supervise(worker)
    return worker
  }
  /** Celery may end itself over a lost broker; somebody starts it again, as a service manager would. */
  const supervise = async (worker: PythonWorker): Promise<void> => {
    const { signal } = await worker.ended
    const at = peers.indexOf(worker)
    if (over || signal === 'SIGKILL' || at < 0) return
    log('a Python worker ended by itself')
    peerEnds.push({ kind: 'python-end', target: `python${at}`, pid: 0, from: Date.now(), to: Date.now() })
    peers[at] = await startPeer()
  }
  /** A Celery worker has been seen to hang in its warm shutdown, its tasks done. */
  const stopPeer = async (worker: PythonWorker): Promise<void> => {
    const from = Date.now()
    try {
      await worker.stop()
    } catch {
      log('a Python worker did not stop, and was killed')
      const target = `python${peers.indexOf(worker)}`
      peerEnds.push({ kind: 'python-kill', target, pid: 0, from, to: Date.now() })
    }
  }
  peers.push(...(await Promise.all(Array.from({ length: pythonWorkers }, startPeer))))
  const client = pythonOrders > 0 ? stack.use(await python('5.7', peer)) : undefined

  for (const one of [...workers, ...producers]) one.start()
  const pythonDone = client?.exec(
    'import ledger_peer\nledger_peer.produce(app, orders, duration)',
    { orders: ordersOf('p-', pythonOrders, 1000), duration: durationMs },
    durationMs + 60_000,
  )
  const everyMs = options.faultEveryMs ?? 1500
  const plan = planFaults({ seed, durationMs, everyMs, leaseMs, kinds: options.faults })
  const injected = await injectFaults(plan, {
    broker: servers.target,
    workers,
    producers,
    python: { workers: peers, start: startPeer, stop: stopPeer, spared: !exposed },
    log,
  })
  const violations: string[] = []
  for (const producer of producers) {
    const code = producer.isRunning ? await producer.end(durationMs + 30_000) : 0
    if (code !== 0) violations.push(`${producer.name} ended with ${code ?? 'nothing at all'}`)
  }
  await pythonDone
  log('everything is sent, no more faults')
  const drainedMs = await drain(options, folder, () => servers.openWork(Object.keys(queues)))
  for (const worker of workers) {
    const code = await worker.end(30_000, 'SIGTERM')
    // One that was started a moment ago may not listen to signals yet; it holds nothing.
    if (code !== 0 && code !== 'SIGTERM')
      violations.push(
        `${worker.name} did not stop warm: ${code ?? `still there after 30 s (${worker.kernelState})`}`,
      )
  }
  over = true
  const faults = [...injected, ...peerEnds]
  for (const [n, worker] of peers.entries()) {
    await worker.stop()
    writeFileSync(join(folder, `python${n}.log`), worker.log)
  }

  const verdict = check({
    entries: readJournals(folder),
    faults,
    leaseMs,
    heldByConnection: broker === 'rabbitmq',
    tolerateLosses: exposed,
  })
  const leftovers = await servers.findLeftovers([...Object.keys(queues), sparedQueue], mixed)
  const { wrong, retryOverSuccess } = await checkResults(redis, verdict.results)
  violations.push(...verdict.violations, ...wrong)
  for (const line of leftovers.open) violations.push(`left: ${line}`)
  for (const line of leftovers.stray) violations.push(`stray: ${line}`)
  const histories = new Map(
    verdict.missing.slice(0, 10).map((unit) => [unit, servers.historyOf(`'${unit.split('#')[0]}'`)]),
  )
  return { options, faults, verdict, leftovers, retryOverSuccess, drainedMs, violations, histories, folder }
}

/** Waits until every unit has ended and nothing is queued or held; gives up in the end, and the check says what is missing. */
async function drain(
  options: CampaignOptions,
  folder: string,
  open: () => Promise<string[]>,
): Promise<number> {
  const startedAt = Date.now()
  const until = startedAt + (options.drainMs ?? 30_000)
  let quiet = 0
  while (Date.now() < until && quiet < 3) {
    await sleep(200)
    const done = (await open()).length === 0
    const { missing } = done
      ? check({ entries: readJournals(folder), faults: [], leaseMs: 1 })
      : { missing: ['?'] }
    // A retry with a countdown, or the next step of a chain, is nowhere to be seen for a moment: three looks in a row.
    quiet = missing.length === 0 ? quiet + 1 : 0
  }
  return Date.now() - startedAt
}
