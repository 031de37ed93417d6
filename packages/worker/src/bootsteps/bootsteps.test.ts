/** Steps that people add to a worker and its consumer, on the memory broker. */
import { memoryBackend, memoryBroker } from '@ct/broker-memory'
import { createApp, Queue, type App, type Logger, type StepClass, type StepOptions } from '@ct/client'
import { BrokerUnavailableError, type Broker, type ConnectOptions } from '@ct/contracts'
import { afterEach, describe, expect, it } from 'vitest'
import { ConsumerStep, createWorker, type Worker, type WorkerConsumer, type WorkerOptions } from '../index.ts'
import { Blueprint } from './blueprint.ts'
import { consumerPlaces, workerPlaces } from './own-steps.ts'

const errors: string[] = []
const logger: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: (message, fields) => void errors.push(`${message} ${String(fields?.['error'])}`),
  critical: () => {},
  child: () => logger,
}

let hubs = 0
let app: App
let worker: Worker | undefined
let cut = (): void => {}

/** A connection that can be lost. */
function breakable(name: string): Broker {
  return new Proxy(memoryBroker({ name }), {
    get(target, key) {
      if (key !== 'connect') return Reflect.get(target, key) as unknown
      return async (options: ConnectOptions) => {
        const connection = await target.connect(options)
        cut = () => {
          options.onNotice({ kind: 'connection-lost', error: new BrokerUnavailableError('cut') })
          void connection.close()
        }
        return connection
      }
    },
  })
}

function makeApp(): App {
  errors.length = 0
  const name = `bootsteps-${process.pid}-${++hubs}`
  app = createApp({ name: 'proj', broker: breakable(name), backend: memoryBackend({ name }), logger })
  return app
}

async function start(options: WorkerOptions = {}): Promise<Worker> {
  worker = createWorker(app, { hostname: 'w@host', withoutMingle: true, withoutHeartbeat: true, ...options })
  await worker.start()
  return worker
}

afterEach(async () => {
  await worker?.stop()
  worker = undefined
  await app?.close()
})

function order(
  added: readonly StepClass<null>[],
  own: readonly StepClass<null>[] = workerPlaces<null>(),
): readonly string[] {
  return new Blueprint<null>(null, {}, { name: 'Worker', own, added, log: logger }).names
}

function step(
  stepName: string,
  requires: readonly (StepClass<null> | string)[] = [],
  last = false,
): StepClass<null> {
  return class {
    static readonly stepName = stepName
    static readonly requires = requires
    static readonly last = last
    start(): void {}
  }
}

describe('the order of steps', () => {
  it('WORK-30: what a step requires comes before it, by class, name or Celery’s path; messages come last', () => {
    const db = step('Db', ['celery.worker.components:Pool'])
    const cache = step('Cache', [db])
    const report = step('Report', [], true)
    expect(order([report, cache, step('Other')])).toEqual([
      ...[
        'Timer',
        'Hub',
        'Pool',
        'Autoscaler',
        'StateDB',
        'Beat',
        'Db',
        'Cache',
        'Other',
        'Report',
        'Consumer',
      ],
    ])
    expect(order([step('Inbox', ['Tasks'])], consumerPlaces<null>()).slice(-2)).toEqual(['Inbox', 'Evloop'])
  })

  it('WORK-30: a circle, a requirement that is not there and two of one name are refused', () => {
    const first: StepClass<null> & { requires: Iterable<StepClass<null>> } = class {
      static readonly stepName = 'First'
      static requires: Iterable<StepClass<null>> = []
      start(): void {}
    }
    const second = step('Second', [first])
    first.requires = [second]
    expect(() => order([first])).toThrow('in a circle: First → Second → First')
    expect(() => order([step('A', ['Bd'])])).toThrow(
      '"A" requires "Bd", which the Worker does not have. It has Timer,',
    )
    expect(() => order([step('A'), step('A')])).toThrow('two bootsteps named "A"')
    expect(() => order([step('A', ['Evloop'], true)])).toThrow('requires "Evloop"')
  })

  it('WORK-30: includeIf leaves a step out', () => {
    class Optional {
      start(): void {}
      static includeIf(_: null, options: StepOptions): boolean {
        return options['wanted'] === true
      }
    }
    const names = (wanted: boolean): readonly string[] =>
      new Blueprint<null>(null, { wanted }, { name: 'Worker', own: [], added: [Optional], log: logger }).names
    expect(names(true)).toEqual(['Optional'])
    expect(names(false)).toEqual([])
  })

  it('an instance is refused', () => {
    makeApp()
    expect(() => app.steps.worker.add({ start: () => {} } as never)).toThrow(/is a class/)
  })
})

describe('steps of a worker', () => {
  it('WORK-31, WORK-33, WORK-34, APP-72: start in order, stop in reverse, whatever one of them throws', async () => {
    makeApp()
    const seen: string[] = []
    const recorder = (name: string, requires: readonly string[] = []): StepClass<Worker> =>
      class {
        static readonly stepName = name
        static readonly requires = requires
        constructor(parent: Worker, options: StepOptions) {
          seen.push(
            `new ${name} ${parent.hostname} ${String(options['tenant'])} ${String(options['concurrency'])}`,
          )
        }
        async start(parent: Worker): Promise<void> {
          await Promise.resolve()
          seen.push(`start ${name} ${parent.status}`)
        }
        close(): void {
          seen.push(`close ${name}`)
        }
        stop(): void {
          seen.push(`stop ${name}`)
          if (name === 'B') throw new Error('no')
        }
        shutdown(): void {
          seen.push(`shutdown ${name}`)
        }
        info(): Record<string, unknown> {
          return { [name]: 1 }
        }
      }
    app.steps.worker.add(recorder('B', ['A'])).add(recorder('A'))
    await start({ concurrency: 3, userOptions: { tenant: 'acme' } })
    const [stats] = Object.values((await app.control.inspect({ timeoutMs: 20_000, limit: 1 }).stats()) ?? {})
    expect(stats).toMatchObject({ A: 1, B: 1, pid: process.pid })
    expect(seen).toEqual([
      ...['new A w@host acme 3', 'new B w@host acme 3', 'start A starting', 'start B starting'],
    ])
    seen.length = 0
    await worker!.stop()
    expect(seen).toEqual(['close B', 'close A', 'stop B', 'stop A', 'shutdown B', 'shutdown A'])
    expect(errors).toEqual(['stop of the bootstep B raised an error; the others go on. Error: no'])
  })

  it('WORK-31: a cold stop terminates, after running tasks were cancelled', async () => {
    makeApp()
    const seen: string[] = []
    app.steps.worker.add(
      class Both {
        stop(): void {
          seen.push('stop')
        }
        terminate(parent: Worker): void {
          seen.push(`terminate ${parent.counts.active}`)
        }
      },
    )
    app.steps.worker.add(
      class StopOnly {
        stop(): void {
          seen.push('stop only')
        }
      },
    )
    const running = Promise.withResolvers<void>()
    app.task('proj.wait', () => {
      running.resolve()
      return new Promise(() => {})
    })
    await start()
    await app.sendTask('proj.wait')
    await running.promise
    await worker!.stop({ mode: 'cold' })
    expect(seen).toEqual(['stop only', 'terminate 0'])
  })

  it('a step that cannot start ends the start, and those before it are stopped', async () => {
    makeApp()
    const seen: string[] = []
    app.steps.worker.add(
      class First {
        stop(): void {
          seen.push('stopped')
        }
      },
    )
    app.steps.worker.add(
      class Second {
        static readonly requires = ['First']
        start(): void {
          throw new Error('no licence')
        }
      },
    )
    await expect(start()).rejects.toThrow('no licence')
    expect(worker?.status).toBe('stopped')
    expect(worker?.exitCode).toBe(1)
    expect(seen).toEqual(['stopped'])
  })
})

describe('steps of the consumer', () => {
  it('WORK-35: start before tasks are consumed, and again with each connection', async () => {
    makeApp()
    const seen: string[] = []
    const connections = new Set<unknown>()
    const again = Promise.withResolvers<void>()
    app.steps.consumer.add(
      class Follow {
        static readonly requires = ['Connection']
        start(parent: WorkerConsumer): void {
          connections.add(parent.connection)
          seen.push(`start ${parent.worker.status}`)
          if (connections.size === 2) again.resolve()
        }
        stop(): void {
          seen.push('stop')
        }
      },
    )
    await start()
    cut()
    await again.promise
    await worker!.stop()
    expect(seen).toEqual(['start starting', 'stop', 'start reconnecting', 'stop'])
    expect(connections.size).toBe(2)
  })

  it('WORK-35: a step that cannot start for now is tried again, with those before it', async () => {
    makeApp()
    const seen: string[] = []
    let tries = 0
    app.steps.consumer.add(
      class First {
        static readonly requires = ['Connection']
        start(): void {
          seen.push('first')
        }
        stop(): void {
          seen.push('first stops')
        }
      },
    )
    app.steps.consumer.add(
      class Second {
        static readonly requires = ['First']
        start(): void {
          tries += 1
          if (tries === 1) throw new BrokerUnavailableError('not now')
          seen.push('second')
        }
        stop(): void {
          seen.push('second stops')
        }
      },
    )
    await start()
    expect(seen).toEqual(['first', 'second stops', 'first stops', 'first', 'second'])
  })

  it('WORK-35: when the connection is lost while steps start, the next one starts all of them', async () => {
    makeApp()
    const starting = Promise.withResolvers<void>()
    const goOn = Promise.withResolvers<void>()
    const done = Promise.withResolvers<void>()
    const first: unknown[] = []
    const second: unknown[] = []
    app.steps.consumer.add(
      class First {
        static readonly requires = ['Connection']
        async start(parent: WorkerConsumer): Promise<void> {
          first.push(parent.connection)
          if (first.length !== 2) return
          starting.resolve()
          await goOn.promise
        }
      },
    )
    app.steps.consumer.add(
      class Second {
        static readonly requires = ['First']
        start(parent: WorkerConsumer): void {
          second.push(parent.connection)
          if (first.length === 3) done.resolve()
        }
      },
    )
    await start()
    cut()
    await starting.promise
    cut()
    goOn.resolve()
    await done.promise
    expect(second).toEqual(first)
  })

  it('WORK-32: a ConsumerStep takes messages of its own from the worker’s connection', async () => {
    makeApp()
    const bodies: string[] = []
    const failed = Promise.withResolvers<void>()
    const got = Promise.withResolvers<void>()
    class Inbox extends ConsumerStep {
      override getConsumers(): ReturnType<ConsumerStep['getConsumers']> {
        return [
          {
            queues: [new Queue('inbox')],
            onMessage: (delivery) => {
              const text = Buffer.from(delivery.body).toString()
              bodies.push(text)
              if (bodies.length === 1) {
                failed.resolve()
                throw new Error('not now')
              }
              got.resolve()
              return delivery.settle({ action: 'ack' })
            },
          },
        ]
      }
    }
    app.steps.consumer.add(Inbox)
    app.task('proj.add', (x: number) => x + 1)
    await start()
    await app.context.producer.publish({
      contentType: 'text/plain',
      contentEncoding: 'utf-8',
      properties: {},
      exchange: '',
      routingKey: 'inbox',
      headers: {},
      body: Buffer.from('hello'),
    })
    await failed.promise
    await got.promise
    expect(bodies).toEqual(['hello', 'hello'])
    expect(errors).toEqual(['The bootstep Inbox failed at a message; it is put back. Error: not now'])
    expect(await (await app.sendTask('proj.add', { args: [1] })).get({ timeoutMs: 20_000 })).toBe(2)
  })

  it('WORK-38: the consumer’s handle adds and cancels queues', async () => {
    makeApp()
    let handle: WorkerConsumer | undefined
    app.steps.consumer.add(
      class Keep {
        start(parent: WorkerConsumer): void {
          handle = parent
        }
      },
    )
    app.task('proj.add', (x: number) => x + 1)
    await start()
    await handle!.addTaskQueue('more')
    expect(
      await (await app.sendTask('proj.add', { args: [1], queue: 'more' })).get({ timeoutMs: 20_000 }),
    ).toBe(2)
    await handle!.cancelTaskQueue('more')
    expect(worker!.queues).toEqual(['celery'])
  })
})
