/** What a lost connection meets a worker at: between a task's end and its settlement, while consuming begins, while it stops. */
import { memoryBackend, memoryBroker } from '@ct/broker-memory'
import { createApp, Queue, type App, type AppOptions } from '@ct/client'
import {
  BackendUnavailableError,
  BrokerUnavailableError,
  type Broker,
  type BrokerConnection,
  type ConnectOptions,
  type Consumer,
  type ConsumerOptions,
  type Delivery,
} from '@ct/contracts'
import { recordingLogger } from '@ct/testing'
import { afterEach, expect, it } from 'vitest'
import { createWorker, type Worker, type WorkerOptions } from './index.ts'

type Members = Readonly<Record<string, unknown>>

/** `target`, with other members. */
function altered<T extends object>(target: T, members: Members): T {
  return new Proxy(target, {
    get(one, key) {
      if (typeof key === 'string' && key in members) return members[key]
      const value: unknown = Reflect.get(one, key)
      return typeof value === 'function' ? (value.bind(one) as unknown) : value
    },
  })
}

interface Trial {
  readonly broker: Broker
  readonly connections: BrokerConnection[]
  readonly subscribed: string[]
  /** Ends the worker's connection, as the network does. */
  lose(): Promise<void>
  /** Tells of its end alone. */
  lost(): void
  /** Called with each connection and consumer that are made; what it gives replaces members of theirs. */
  onConnect: ((connection: BrokerConnection, lose: () => Promise<void>) => Members) | undefined
  onConsumer: ((consumer: Consumer) => Promise<Members> | Members) | undefined
  onDelivery: ((delivery: Delivery) => void) | undefined
}

/** `marks`: what comes after a loss says that it was given out before, as from a broker whose connection died. */
function trialBroker(
  hub: string,
  options: { readonly leaseMs?: number; readonly delays?: boolean } = {},
): Trial {
  const inner = memoryBroker({
    name: hub,
    ...(options.leaseMs === undefined ? {} : { leaseMs: options.leaseMs }),
  })
  const capabilities = { ...inner.capabilities, ...(options.delays === true ? {} : { nativeDelay: null }) }
  let lose = (): Promise<void> => Promise.resolve()
  let lost = (): void => undefined
  let losses = 0
  const opened = async (
    connection: BrokerConnection,
    { onDelivery, ...more }: ConsumerOptions,
  ): Promise<Consumer> => {
    const marks = losses > 0
    const consumer = await connection.openConsumer({
      ...more,
      onDelivery: (delivery: Delivery) => {
        if (marks) Object.defineProperty(delivery, 'info', { value: { ...delivery.info, redelivered: true } })
        trial.onDelivery?.(delivery)
        onDelivery(delivery)
      },
    })
    const members = (await trial.onConsumer?.(consumer)) ?? {}
    return altered(consumer, {
      subscribe: (...args: Parameters<Consumer['subscribe']>) => {
        trial.subscribed.push(...args[0].map(({ queue }) => queue.name))
        return consumer.subscribe(...args)
      },
      ...members,
    })
  }
  const trial: Trial = {
    connections: [],
    subscribed: [],
    onConnect: undefined,
    onConsumer: undefined,
    onDelivery: undefined,
    lose: () => lose(),
    lost: () => lost(),
    broker: altered(inner, {
      capabilities,
      async connect(connecting: ConnectOptions) {
        const connection = await inner.connect(connecting)
        // The client's own connections stay as they are.
        const told = (): void => {
          losses += 1
          connecting.onNotice({ kind: 'connection-lost', error: new BrokerUnavailableError('cut') })
        }
        const own = async (): Promise<void> => {
          told()
          await connection.close()
        }
        const members = trial.onConnect?.(connection, own) ?? {}
        trial.connections.push(connection)
        return altered(connection, {
          openConsumer: (consuming: ConsumerOptions) => {
            lose = own
            lost = told
            return opened(connection, consuming)
          },
          ...members,
        })
      },
    }),
  }
  return trial
}

let hubs = 0
const open: { worker?: Worker; app: App; trial?: Trial }[] = []
const soon = { timeoutMs: 20_000 }

function made(
  options: Parameters<typeof trialBroker>[1] = {},
  settings: AppOptions = {},
  resultsWithAck = false,
): { app: App; trial: Trial; log: ReturnType<typeof recordingLogger> } {
  const hub = `lost-${process.pid}-${++hubs}`
  const trial = trialBroker(hub, options)
  const log = recordingLogger()
  const app = createApp({
    name: 'proj',
    broker: trial.broker,
    // Of a hub of its own results do not go with the ack.
    backend: memoryBackend({ name: resultsWithAck ? hub : `${hub}-results` }),
    logger: log,
    environment: {},
    ...settings,
  })
  open.push({ app, trial })
  return { app, trial, log }
}

async function started(app: App, options: WorkerOptions = {}): Promise<Worker> {
  const worker = createWorker(app, {
    withoutMingle: true,
    withoutHeartbeat: true,
    withoutRemoteControl: true,
    hostname: 'w@test',
    ...options,
  })
  open.push({ app, worker })
  await worker.start()
  return worker
}

afterEach(async () => {
  for (const { worker } of open) await worker?.stop({ mode: 'cold' })
  for (const { app } of open) await app.close()
  for (const { trial } of open) for (const connection of trial?.connections ?? []) await connection.close()
  open.length = 0
})

/** A result store that is away until it is let in. */
function awayStore(app: App): { readonly tries: () => number; letIn(): void } {
  const { results } = app.context
  const store = results.store.bind(results)
  let away = true
  let tries = 0
  Object.defineProperty(results, 'store', {
    value: (writes: Parameters<typeof store>[0]) => {
      tries += 1
      return away ? Promise.reject(new BackendUnavailableError('away')) : store(writes)
    },
  })
  return { tries: () => tries, letIn: () => (away = false) }
}

it('WORK-88: a task that has ended while its result waits for the store does not run again when its connection is lost', async () => {
  const { app, trial } = made()
  let runs = 0
  const t = app.task('t', () => ++runs)
  const worker = await started(app)
  const store = awayStore(app)
  const result = await t.delay()
  await expect.poll(store.tries).toBeGreaterThan(0)
  await trial.lose()
  await expect.poll(() => worker.counts.received).toBe(2)
  store.letIn()
  expect(await result.get(soon)).toBe(1)
  await worker.stop()
  expect(runs).toBe(1)
  expect(await (await app.context.producer.connection()).queueSize('celery')).toBe(0)
})

it('a connection that is lost while its delays are prepared is no start: nothing is said to be ready without one', async () => {
  const { app, trial } = made({ delays: true })
  app.task('t', () => 1)
  let prepared = 0
  trial.onConnect = (_connection, lose) => ({
    prepareDelays: async () => {
      prepared += 1
      if (prepared > 1) return
      await lose()
      throw new BrokerUnavailableError('cut')
    },
  })
  const worker = createWorker(app, {
    withoutMingle: true,
    withoutHeartbeat: true,
    withoutRemoteControl: true,
  })
  open.push({ app, worker })
  const ready: boolean[] = []
  worker.on('ready', () => ready.push(worker.health().connected))
  await worker.start()
  expect(prepared).toBe(2)
  expect(ready).toEqual([true])
})

it('WORK-20: what a reconnect opens while the worker closes is closed too', async () => {
  const { app, trial } = made({ leaseMs: 60_000 })
  const worker = await started(app)
  const opening = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  let closed = 0
  trial.onConsumer = async (consumer) => {
    opening.resolve()
    await goOn.promise
    return {
      close: (...args: Parameters<Consumer['close']>) => {
        closed += 1
        return consumer.close(...args)
      },
    }
  }
  await trial.lose()
  await opening.promise
  const stopped = worker.stop()
  await expect.poll(() => worker.status).toBe('warm')
  // By then it waits for nothing but the loop that reconnects.
  for (let turn = 0; turn < 10; turn++) await new Promise((resolve) => setImmediate(resolve))
  goOn.resolve()
  await stopped
  expect(closed).toBe(1)
})

it('CTRL-15: a queue that is added while the worker stops is not consumed: nobody would give its messages back', async () => {
  const { app, trial } = made()
  const go = Promise.withResolvers<void>()
  const t = app.task('t', () => go.promise)
  const worker = await started(app)
  await t.delay()
  await expect.poll(() => worker.counts.active).toBe(1)
  const stopped = worker.stop()
  await expect.poll(() => worker.status).toBe('warm')
  await worker.addConsumer('late')
  go.resolve()
  await stopped
  expect(trial.subscribed).toEqual(['celery'])
})

it('WORK-63: a message that is held for its ETA and is found to be somebody else’s is not held any more', async () => {
  const { app, trial, log } = made({ leaseMs: 150 })
  const later = app.task('later', () => 1)
  trial.onConsumer = () => ({
    extendLeases: (deliveries: readonly Delivery[]) => Promise.resolve(deliveries),
  })
  await started(app, { withoutRemoteControl: false, concurrency: 1, prefetchMultiplier: 1 })
  await later.applyAsync([], { countdown: 600 })
  const said = (): boolean => log.records.some(({ message }) => message.includes('The lease of task later['))
  await expect.poll(said).toBe(true)
  const inspect = app.control.inspect({ destination: ['w@test'], timeoutMs: 20_000 })
  expect(await inspect.scheduled()).toEqual({ 'w@test': [] })
  expect((await inspect.stats())?.['w@test']).toMatchObject({ prefetch_count: 1 })
})

it('D57-170: a queue that is cancelled while a reconnect subscribes to it is not consumed again', async () => {
  const { app, trial } = made({}, { taskQueues: [new Queue('celery'), new Queue('other')] })
  const worker = await started(app)
  const subscribing = Promise.withResolvers<void>()
  const goOn = Promise.withResolvers<void>()
  trial.onConsumer = (consumer) => ({
    subscribe: async (...args: Parameters<Consumer['subscribe']>) => {
      subscribing.resolve()
      await goOn.promise
      await consumer.subscribe(...args)
    },
  })
  const again = Promise.withResolvers<void>()
  worker.on('ready', () => again.resolve())
  await trial.lose()
  await subscribing.promise
  await worker.cancelConsumer('other')
  goOn.resolve()
  await again.promise
  app.task('t', () => 'ran')
  await worker.reload()
  await app.sendTask('t', { queue: 'other' })
  expect(await (await app.sendTask('t', { queue: 'celery' })).get(soon)).toBe('ran')
  expect(worker.counts.received).toBe(1)
})

it('EVT-22: of a success that its connection took with it nobody hears before it is stored', async () => {
  const { app, trial } = made({ leaseMs: 60_000 }, {}, true)
  const goOn = Promise.withResolvers<void>()
  const failed = Promise.withResolvers<void>()
  let lost = false
  // A connection that dies gives nothing back, and takes settlements with it until another one has adopted the messages.
  trial.onConnect = (_connection, _lose) => ({ close: () => Promise.resolve() })
  trial.onDelivery = (delivery) => {
    const settle = delivery.settle.bind(delivery)
    const dying = (settlement: Parameters<typeof settle>[0]): Promise<void> => {
      if (!lost) return settle(settlement)
      setImmediate(() => failed.resolve())
      return Promise.reject(new BrokerUnavailableError('cut'))
    }
    Object.defineProperty(delivery, 'settle', { value: dying })
    Object.defineProperty(delivery, 'settled', { get: () => lost })
  }
  trial.onConsumer = async (consumer) => {
    if (!lost) return {}
    await goOn.promise
    return {
      adopt: (deliveries: readonly Delivery[]) => {
        lost = false
        return consumer.adopt(deliveries)
      },
    }
  }
  const t = app.task('t', () => {
    lost = true
    trial.lost()
    return 1
  })
  const worker = await started(app)
  const heard: string[] = []
  worker.on('taskSucceeded', ({ uuid }) => void heard.push(uuid))
  const result = await t.delay()
  await failed.promise
  expect(heard).toEqual([])
  goOn.resolve()
  expect(await result.get(soon)).toBe(1)
  await expect.poll(() => heard).toEqual([result.id])
})
