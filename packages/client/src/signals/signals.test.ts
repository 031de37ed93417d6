import { readFileSync } from 'node:fs'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { capturedApp } from '../../test/captured-app.ts'
import { App, createApp, group } from '../index.ts'
import type { Logger } from '../index.ts'
import { Signal } from './signal.ts'
import { signalTable } from './app-signals.ts'

afterEach(() => vi.useRealTimers())

interface Fields {
  readonly sender: unknown
  readonly value?: number
}

function signal(): { readonly signal: Signal<Fields>; readonly errors: string[] } {
  const errors: string[] = []
  return {
    signal: new Signal<Fields>('tested', (message, error) => errors.push(`${message} ${String(error)}`)),
    errors,
  }
}

describe('a signal', () => {
  it('calls its handlers in the order of connecting, and says whether there are any', () => {
    const { signal: tested } = signal()
    const seen: unknown[] = []
    expect(tested.wanted).toBe(false)
    const stop = tested.connect(({ value }) => seen.push(['a', value]))
    tested.connect(({ value }, self) => seen.push(['b', value, self.name]))
    expect(tested.wanted).toBe(true)
    expect(tested.send({ sender: null, value: 1 })).toBeUndefined()
    stop()
    void tested.send({ sender: null, value: 2 })
    expect(seen).toEqual([
      ['a', 1],
      ['b', 1, 'tested'],
      ['b', 2, 'tested'],
    ])
  })

  it('waits for a handler that returns a promise before it calls the next', async () => {
    const { signal: tested } = signal()
    const seen: string[] = []
    const gate = Promise.withResolvers<void>()
    tested.connect(async () => {
      await gate.promise
      seen.push('slow')
    })
    tested.connect(() => seen.push('next'))
    const sent = tested.send({ sender: null })
    expect(sent).toBeInstanceOf(Promise)
    expect(seen).toEqual([])
    gate.resolve()
    await sent
    expect(seen).toEqual(['slow', 'next'])
  })

  it('logs what handlers throw, and goes on', async () => {
    const { signal: tested, errors } = signal()
    const seen: string[] = []
    tested.connect(function broken() {
      throw new Error('at once')
    })
    tested.connect(() => Promise.reject(new Error('later')))
    tested.connect(() => seen.push('reached'))
    await tested.send({ sender: null })
    expect(seen).toEqual(['reached'])
    expect(errors).toEqual([
      'The handler broken of the signal tested raised an error. Error: at once',
      'A handler of the signal tested raised an error. Error: later',
    ])
  })

  it('sends only what its sender concerns: a task is known by name too, a worker by its node name', () => {
    const { signal: tested } = signal()
    const seen: string[] = []
    const app = createApp({ logger: silent })
    const add = app.task('proj.add', (x: number) => x)
    tested.connect(() => seen.push('by task'), { sender: add })
    tested.connect(() => seen.push('by name'), { sender: 'proj.add' })
    tested.connect(() => seen.push('by node'), { sender: 'w1@host' })
    void tested.send({ sender: add })
    void tested.send({ sender: 'proj.add' })
    void tested.send({ sender: { hostname: 'w1@host', name: 'x' } })
    void tested.send({ sender: null })
    expect(seen).toEqual(['by task', 'by name', 'by task', 'by name', 'by node'])
    expect(tested.hasHandlers('proj.add')).toBe(true)
    expect(tested.hasHandlers('proj.other')).toBe(false)
  })

  it('dispatchUid: connecting again changes nothing, and the id disconnects', () => {
    const { signal: tested } = signal()
    let calls = 0
    const handler = (): void => void (calls += 1)
    tested.connect(handler)
    tested.connect(handler)
    tested.connect(() => void (calls += 10), { dispatchUid: 'one' })
    tested.connect(() => void (calls += 10), { dispatchUid: 'one' })
    void tested.send({ sender: null })
    expect(calls).toBe(11)
    expect(tested.disconnect(undefined, { dispatchUid: 'one' })).toBe(true)
    expect(tested.disconnect(undefined, { dispatchUid: 'one' })).toBe(false)
    expect(tested.disconnect(handler)).toBe(true)
    expect(tested.wanted).toBe(false)
  })

  it('retry: a handler that fails is called again until it succeeds, and not after it was disconnected', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { signal: tested, errors } = signal()
    let calls = 0
    const flaky = (): void => {
      calls += 1
      if (calls < 3) throw new Error(`try ${calls}`)
    }
    tested.connect(flaky, { retry: true })
    const sent = tested.send({ sender: null })
    await vi.advanceTimersByTimeAsync(2_000)
    expect(calls).toBe(2)
    await vi.advanceTimersByTimeAsync(3_999)
    expect(calls).toBe(2)
    await vi.advanceTimersByTimeAsync(1)
    await sent
    expect(calls).toBe(3)
    expect(errors).toEqual([
      'The handler flaky of the signal tested raised an error; trying again in 2 s. Error: try 1',
      'The handler flaky of the signal tested raised an error; trying again in 4 s. Error: try 2',
    ])
    calls = 0
    const again = tested.send({ sender: null })
    tested.close()
    await again
    expect(vi.getTimerCount()).toBe(0)
    expect(calls).toBe(1)
  })

  it('retry: one that is disconnected while it runs is not called again; many tries leave no listeners behind', async () => {
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    const { signal: tested } = signal()
    const listening = vi.spyOn(AbortSignal.prototype, 'addEventListener')
    const left = vi.spyOn(AbortSignal.prototype, 'removeEventListener')
    let calls = 0
    const failing = async (): Promise<void> => {
      calls += 1
      await Promise.resolve()
      if (calls === 15) tested.disconnect(failing)
      throw new Error('never')
    }
    tested.connect(failing, { retry: true })
    let ended = false
    void tested.send({ sender: null })?.then(() => (ended = true))
    await vi.advanceTimersByTimeAsync(600_000)
    expect(ended).toBe(true)
    expect(calls).toBe(15)
    expect(listening.mock.calls.length - left.mock.calls.length).toBe(0)
    listening.mockRestore()
    left.mockRestore()
  })

  it('sendOrThrow ends with the first error, when all handlers have run', async () => {
    const { signal: tested } = signal()
    const seen: string[] = []
    tested.connect(() => {
      throw new Error('first')
    })
    tested.connect(() => seen.push('ran'))
    await expect(tested.sendOrThrow({ sender: null })).rejects.toThrow('first')
    expect(seen).toEqual(['ran'])
  })

  it('refuses what is no handler, and unknown options', () => {
    const { signal: tested } = signal()
    expect(() => tested.connect('x' as never)).toThrow(/must be a function/)
    expect(() => tested.connect(() => {}, { weak: true } as never)).toThrow(/no option "weak"/)
  })
})

describe('the signals of an app', () => {
  const facts = JSON.parse(
    readFileSync(new URL('../../test/celery-5.7-signals.json', import.meta.url), 'utf8'),
  ) as Readonly<Record<string, readonly string[]>>
  const camel = (name: string): string =>
    name.replaceAll(/_([a-z])/g, (_, letter: string) => letter.toUpperCase())

  it.each(Object.entries(facts))('%s of Celery 5.7 is there, with all its arguments', (name, fields) => {
    const { [camel(name) as keyof typeof signalTable]: own } = signalTable
    expect(own).toEqual(expect.arrayContaining(fields.map(camel)))
    expect(createApp({ logger: silent }).signals[camel(name) as 'taskPrerun']).toBeInstanceOf(Signal)
  })

  it('SIG-31, SIG-32: those of the app and of test workers are there too', () => {
    const others = Object.keys(signalTable).filter((name) => !Object.keys(facts).map(camel).includes(name))
    expect(others).toEqual([
      ...['onConfigure', 'onAfterConfigure', 'onAfterFinalize', 'onAfterFork'],
      ...['testWorkerStarting', 'testWorkerStarted', 'testWorkerStopped'],
    ])
  })

  it('APP-65: onConfigure comes before the settings are read, and may change them; onAfterConfigure once, when they are', () => {
    const app = createApp({ logger: silent })
    const seen: unknown[] = []
    app.signals.onConfigure.connect(({ sender }) => {
      seen.push('configure')
      sender.configure({ taskDefaultQueue: 'mine' })
    })
    app.signals.onAfterConfigure.connect(({ source }) => seen.push(source.taskDefaultQueue))
    expect(seen).toEqual([])
    expect(app.settings.taskDefaultQueue).toBe('mine')
    expect(app.settings.taskDefaultQueue).toBe('mine')
    app.signals.onAfterConfigure.connect(() => seen.push('too late'))
    expect(app.context.settings.taskDefaultQueue).toBe('mine')
    expect(seen).toEqual(['configure', 'mine'])
  })

  it('APP-65: onAfterFinalize comes once', () => {
    const app = createApp({ logger: silent })
    const seen: unknown[] = []
    app.signals.onAfterFinalize.connect(({ sender }) => seen.push(sender === app))
    app.finalize()
    app.finalize()
    expect(seen).toEqual([true])
  })

  it('APP-66: onInit is called at the end of construction', () => {
    const seen: unknown[] = []
    class MyApp extends App {
      override onInit(): void {
        seen.push(this.name)
        this.signals.onConfigure.connect(() => seen.push('configure'))
      }
    }
    expect(new MyApp({ name: 'mine', logger: silent }).settings.taskDefaultQueue).toBe('celery')
    expect(seen).toEqual(['mine', 'configure'])
  })
})

describe('signals of publishing', () => {
  it('SIG-1, CANVAS-87, D57-132: what handlers of beforeTaskPublish change is what is sent', async () => {
    await using captured = capturedApp()
    const { app, sent } = captured
    const add = app.task('proj.add', (x: number, y: number) => x + y)
    const seen: unknown[] = []
    app.signals.beforeTaskPublish.connect(async (fields) => {
      const { sender, body, headers, properties, exchange, routingKey, declare, retryPolicy } = fields
      await Promise.resolve()
      seen.push([sender, exchange, routingKey, declare.map(({ name }) => name), retryPolicy.maxRetries])
      body[0].push(5)
      body[1]['flag'] = true
      headers['x-tenant'] = 'acme'
      headers['stamped_headers'] = ['tenant']
      headers['stamps'] = { tenant: 'acme' }
      properties.priority = 7
    })
    await add.applyAsync([1, 1], { retryPolicy: { maxRetries: 9 } })
    const [message] = await sent()
    expect(seen).toEqual([['proj.add', '', 'celery', ['celery'], 9]])
    expect(message).toMatchObject({
      args: [1, 1, 5],
      kwargs: { flag: true },
      headers: {
        'x-tenant': 'acme',
        stamped_headers: ['tenant'],
        stamps: { tenant: 'acme' },
        task: 'proj.add',
        argsrepr: '(1, 1)',
      },
      properties: { priority: 7 },
    })
  })

  it('SIG-2, SIG-3: afterTaskPublish and taskSent come when the broker has the message', async () => {
    await using captured = capturedApp()
    const { app, sent } = captured
    const add = app.task('proj.add', (x: number, y: number) => x + y)
    const seen: unknown[] = []
    app.signals.afterTaskPublish.connect(async ({ sender, body, headers, routingKey }) => {
      const size = (await sent()).length
      seen.push([sender, body, headers['task'], routingKey, size])
    })
    app.signals.taskSent.connect(({ taskId, args, kwargs, eta, taskset }) =>
      seen.push([taskId, args, kwargs, eta, taskset]),
    )
    const { id } = await add.applyAsync([1, 2])
    const embed = { callbacks: null, errbacks: null, chain: null, chord: null }
    expect(seen).toEqual([
      ['proj.add', [[1, 2], {}, embed], 'proj.add', 'celery', 1],
      [id, [1, 2], {}, null, null],
    ])
  })

  it('SIG-1, SIG-2: also of those that are sent together, and only for the sender asked for', async () => {
    await using captured = capturedApp()
    const { app, sent } = captured
    const add = app.task('proj.add', (x: number, y: number) => x + y)
    const mul = app.task('proj.mul', (x: number, y: number) => x * y)
    const seen: string[] = []
    app.signals.beforeTaskPublish.connect(
      ({ sender, body }) => void seen.push(`before ${sender} ${body[0].join()}`),
      {
        sender: add,
      },
    )
    app.signals.afterTaskPublish.connect(({ sender }) => void seen.push(`after ${sender}`))
    await app.sendMany([add.s(1, 2), mul.s(3, 4)])
    await group([add.s(5, 6), mul.s(7, 8)]).applyAsync()
    expect(seen.toSorted()).toEqual(
      [
        ...['before proj.add 1,2', 'before proj.add 5,6'],
        ...['after proj.add', 'after proj.add', 'after proj.mul', 'after proj.mul'],
      ].toSorted(),
    )
    expect(await sent()).toHaveLength(4)
  })

  it('SIG-1: a handler that fails does not keep the task from being sent', async () => {
    const errors: string[] = []
    await using captured = capturedApp({
      logger: { ...silent, error: (message) => void errors.push(message) },
    })
    captured.app.signals.beforeTaskPublish.connect(() => {
      throw new Error('broken')
    })
    await captured.app.sendTask('proj.add', { args: [1] })
    expect(await captured.sent()).toHaveLength(1)
    expect(errors).toEqual(['A handler of the signal beforeTaskPublish raised an error.'])
  })
})

const silent: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  critical: () => {},
  child: () => silent,
}
