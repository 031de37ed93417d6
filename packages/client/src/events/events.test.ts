import { randomUUID } from 'node:crypto'
import type { Broker, Notice, OutgoingMessage } from '@ct/contracts'
import { BrokerError, BrokerUnavailableError, defineBroker, SerializerRegistry } from '@ct/contracts'
import { memoryBroker, memoryHub } from '@ct/broker-memory'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Producer } from '../producer/index.ts'
import type { CeleryEvent } from './index.ts'
import { Events } from './events.ts'
import { EventDispatcher, eventQueue, EventReceiver, readEvents } from './index.ts'

const serializers = new SerializerRegistry()
const accept = serializers.accept(['json'])
const clock = (): { value: number; forward(): number; adjust(n: number): number } => ({
  value: 0,
  forward() {
    return ++this.value
  },
  adjust(n) {
    this.value = Math.max(this.value, n) + 1
    return this.value
  },
})

let broker: Broker
let hub: string
beforeEach(() => {
  hub = `events-${randomUUID()}`
  broker = memoryBroker({ name: hub })
})
afterEach(() => broker.close())

describe('options', () => {
  // They are looked at before anything else.
  const events = new Events({} as ConstructorParameters<typeof Events>[0])

  it('EVT-7: unknown and wrong ones of a dispatcher are refused', () => {
    expect(() => events.dispatcher({ buffergroups: ['task'] } as object)).toThrow(
      'A dispatcher of events has no option "buffergroups". Did you mean "bufferGroups"?',
    )
    // A text is a list of letters, too.
    expect(() => events.dispatcher({ groups: 'task' })).toThrow(/"groups" must be a list of groups/)
    expect(() => events.dispatcher({ offlineLimit: -1 })).toThrow(
      /"offlineLimit" must be a whole number above 0/,
    )
  })

  it('EVT-5: unknown and wrong ones of a receiver are refused', () => {
    const handlers = { '*': () => {} }
    expect(() => events.receiver({ handlers, routingkey: 'worker.#' } as never)).toThrow(
      /Did you mean "routingKey"/,
    )
    expect(() => events.receiver({ handlers, nodeId: '' })).toThrow(/"nodeId" must be a text/)
  })

  it('EVT-40: unknown ones of a state are refused', () => {
    expect(() => events.state({ onNodeJoined: () => {} } as object)).toThrow(/Did you mean "onNodeJoin"/)
  })
})

describe('the dispatcher', () => {
  let sent: OutgoingMessage[]
  let answers: (Error | undefined)[]
  let warnings: string[]
  const eventsOf = (message: OutgoingMessage): Record<string, unknown>[] =>
    readEvents(message, serializers, accept)
  const dispatcher = (
    options: Partial<ConstructorParameters<typeof EventDispatcher>[0]> = {},
  ): EventDispatcher =>
    new EventDispatcher({
      broker: () => broker,
      serializers,
      clock: clock(),
      hostname: 'w@h',
      now: () => 1_700_000_000_500,
      random: () => 0,
      warn: (message) => warnings.push(message),
      publish: async (message) => {
        const answer = answers.shift()
        if (answer !== undefined) throw answer
        sent.push(message)
      },
      ...options,
    })

  beforeEach(() => {
    sent = []
    answers = []
    warnings = []
  })

  it('EVT-1 EVT-2 EVT-3: a single event as Python sends it', async () => {
    const events = dispatcher()
    events.send('worker-heartbeat', { freq: 2 })
    await events.close()
    const [message] = sent
    expect(message).toMatchObject({
      exchange: 'celeryev',
      exchangeType: 'topic',
      routingKey: 'worker.heartbeat',
      contentType: 'application/json',
      headers: { hostname: 'w@h' },
      properties: { deliveryMode: 1, priority: 0 },
    })
    expect(JSON.parse(Buffer.from(message!.body).toString())).toEqual({
      type: 'worker-heartbeat',
      hostname: 'w@h',
      utcoffset: new Date(1_700_000_000_500).getTimezoneOffset() / 60,
      pid: process.pid,
      clock: 1,
      timestamp: 1_700_000_000.5,
      freq: 2,
    })
  })

  it('the exchange is declared along, and no event waits for ever', async () => {
    const asked: unknown[] = []
    const events = dispatcher({
      settings: { eventExchange: 'mine', publishTimeoutMs: null },
      publish: async (_message, options) => void asked.push(options),
    })
    events.send('worker-online')
    events.send('worker-offline')
    await events.close()
    expect(asked).toHaveLength(2)
    expect(asked[0]).toBe(asked[1])
    expect(asked[0]).toEqual({
      exchanges: [{ name: 'mine', type: 'topic', durable: true, autoDelete: false }],
      timeoutMs: 10_000,
    })
  })

  it('EVT-4: a buffered group goes out as one list at the next turn, or when the batch is full', async () => {
    const events = dispatcher({ bufferGroups: ['task'] })
    events.send('task-received', { uuid: '1' })
    events.send('task-started', { uuid: '1' })
    expect(sent).toHaveLength(0)
    await new Promise(setImmediate)
    await Promise.resolve()
    expect(sent.map((message) => [message.routingKey, eventsOf(message).length])).toEqual([['task.multi', 2]])
    for (let i = 0; i < 24; i++) events.send('task-received', { uuid: String(i) })
    expect(sent).toHaveLength(2)
    events.send('task-sent', { uuid: '9' })
    expect(sent[2]!.routingKey).toBe('task.sent')
    events.send('worker-online')
    expect(sent[3]!.routingKey).toBe('worker.online')
    await events.close()
    expect(sent).toHaveLength(4)
  })

  it('EVT-7 EVT-8: groups filter; on and off as Celery toggles them', async () => {
    const events = dispatcher({ groups: ['worker'] })
    events.send('task-received')
    events.send('worker-online')
    expect(sent).toHaveLength(1)
    expect(events.addGroup('task')).toBe(true)
    expect(events.addGroup('task')).toBe(false)
    events.send('task-received')
    expect(events.removeGroup('task')).toBe(true)
    expect(events.removeGroup('task')).toBe(false)
    events.send('task-received')
    expect(sent).toHaveLength(2)
    events.disable()
    events.send('worker-online')
    events.enable()
    events.send('worker-offline')
    expect(sent.map((message) => message.routingKey)).toEqual([
      'worker.online',
      'task.received',
      'worker.offline',
    ])
    await events.close()
    const all = dispatcher()
    expect(all.addGroup('task')).toBe(false)
    // With -E a worker sends all groups: taking one from all leaves the others.
    expect(all.removeGroup('task')).toBe(true)
    expect(all.removeGroup('task')).toBe(false)
    expect([all.wants('task'), all.wants('worker')]).toEqual([false, true])
    expect(all.addGroup('task')).toBe(true)
    expect(all.wants('task')).toBe(true)
    await all.close()
    const one = dispatcher({ groups: ['task'] })
    expect(one.removeGroup('task')).toBe(true)
    expect([one.wants('task'), one.wants('worker')]).toEqual([false, false])
    await one.close()
  })

  it('EVT-7, PAIN-51: what cannot be published is kept in order, bounded, and sent when the broker is back', async () => {
    vi.useFakeTimers()
    try {
      const events = dispatcher({ offlineLimit: 3 })
      answers = [new BrokerUnavailableError('away'), new BrokerUnavailableError('away')]
      for (const n of [1, 2, 3, 4, 5]) {
        events.send('custom-event', { n })
        await vi.advanceTimersByTimeAsync(0)
      }
      expect(sent).toHaveLength(0)
      expect(events.dropped).toBe(2)
      await vi.advanceTimersByTimeAsync(500 + 1000)
      expect(sent.flatMap(eventsOf).map((event) => event['n'])).toEqual([3, 4, 5])
      events.send('custom-event', { n: 6 })
      expect(sent.flatMap(eventsOf).map((event) => event['n'])).toEqual([3, 4, 5, 6])
      expect(warnings).toHaveLength(2)
      await events.close()
      expect(vi.getTimerCount()).toBe(0)
    } finally {
      vi.useRealTimers()
    }
  })

  it('EVT-7: each is sent once when it is closed while what was kept is being sent; each outage tells of losses', async () => {
    vi.useFakeTimers()
    try {
      const slow = Promise.withResolvers<void>()
      const away = new BrokerUnavailableError('away')
      const events = dispatcher({
        offlineLimit: 1,
        publish: async (message) => {
          const answer = answers.shift()
          if (answer !== undefined) throw answer
          await slow.promise
          sent.push(message)
        },
      })
      const outage = async (first: number): Promise<void> => {
        answers = [away]
        events.send('custom-event', { n: first })
        await vi.advanceTimersByTimeAsync(0)
        events.send('custom-event', { n: first + 1 })
      }
      await outage(1)
      // Its turn has come again, and takes a while.
      await vi.advanceTimersByTimeAsync(500)
      const closing = events.close()
      slow.resolve()
      await closing
      expect(sent.flatMap(eventsOf).map((event) => event['n'])).toEqual([2])
      const again = dispatcher({ offlineLimit: 1 })
      warnings.length = 0
      for (let outages = 1; outages <= 2; outages++) {
        answers = [away]
        for (const n of [1, 2]) {
          again.send('custom-event', { n })
          await vi.advanceTimersByTimeAsync(0)
        }
        await vi.advanceTimersByTimeAsync(500)
        expect(warnings.filter((text) => text.startsWith('Events are lost'))).toHaveLength(outages)
      }
      await again.close()
    } finally {
      vi.useRealTimers()
    }
  })

  it.each([
    ['cannot be encoded', { odd: Symbol('x') }, []],
    ['is refused', { odd: 'large' }, [new BrokerError('no'), undefined, new BrokerError('no')]],
  ])('EVT-4: one that %s costs the others of its batch nothing', async (_how, fields, refusals) => {
    answers = [...refusals]
    const events = dispatcher({ bufferGroups: ['task'] })
    events.send('task-started', { uuid: '1' })
    events.send('task-progress', { uuid: '1', ...fields })
    events.send('task-succeeded', { uuid: '1' })
    await events.close()
    expect(sent.flatMap(eventsOf).map(({ type }) => type)).toEqual(['task-started', 'task-succeeded'])
    expect(warnings).toHaveLength(1)
  })

  it('an event that is refused or cannot be encoded is reported and hurts nobody', async () => {
    const events = dispatcher()
    answers = [new BrokerError('no')]
    events.send('a-b')
    events.send('a-b', { cyclic: Symbol('x') })
    events.send('a-b', { fine: 1 })
    await events.close()
    expect(sent).toHaveLength(1)
    expect(warnings).toHaveLength(2)
    events.send('a-b')
    expect(sent).toHaveLength(1)
  })
})

describe('the receiver', () => {
  it('EVT-5 SET-75…80: queue as the settings want it', () => {
    const settings = {
      eventExchange: 'x',
      eventQueuePrefix: 'monitor',
      eventQueueDurable: true,
      eventQueueExclusive: false,
      eventQueueTtl: 1.5,
      eventQueueExpires: null,
    }
    expect(eventQueue('id', 'task.#', settings, broker.capabilities)).toMatchObject({
      name: 'monitor.id',
      durable: true,
      autoDelete: false,
      exclusive: false,
      arguments: { 'x-message-ttl': 1500 },
      bindings: [{ exchange: { name: 'x', type: 'topic', durable: true }, routingKey: 'task.#' }],
    })
    expect(() => eventQueue('id', '#', { eventQueueDurable: true }, broker.capabilities)).toThrow(
      /Set one of them to false/,
    )
  })

  it('EVT-5, WIRE-63: queue as Celery declares it', () => {
    expect(eventQueue('id', '#', {}, broker.capabilities)).toMatchObject({
      name: 'celeryev.id',
      durable: false,
      autoDelete: true,
      exclusive: true,
      arguments: { 'x-message-ttl': 5000, 'x-expires': 60_000 },
      bindings: [{ exchange: { name: 'celeryev', type: 'topic', durable: true }, routingKey: '#' }],
    })
  })

  it('EVT-4 EVT-6: single events, batches and empty batches; clocks; limit ends the capture', async () => {
    const seen: CeleryEvent[] = []
    const started: CeleryEvent[] = []
    const own = clock()
    own.value = 50
    await using receiver = new EventReceiver({
      broker: () => broker,
      serializers,
      clock: own,
      now: () => 7000,
      handlers: { 'task-started': (event) => started.push(event), '*': (event) => seen.push(event) },
    })
    await using producer = new Producer({ broker: () => broker })
    const publish = (body: unknown, routingKey: string): Promise<void> =>
      producer.publish({
        ...serializers.encode(body),
        headers: { hostname: 'w@h' },
        properties: { deliveryMode: 1 },
        exchange: 'celeryev',
        exchangeType: 'topic',
        routingKey,
      })
    const wakeup = vi.fn(async () => {
      await publish([], 'task.multi')
      await publish({ type: 'task-sent', clock: 900 }, 'task.sent')
      await publish(['nonsense', { no: 'type' }], 'task.multi')
      await publish(
        [
          { type: 'task-received', uuid: '1', clock: 70 },
          { type: 'task-started', uuid: '1' },
        ],
        'task.multi',
      )
      setTimeout(() => void publish({ type: 'worker-offline', clock: 80 }, 'worker.offline'), 5)
    })
    // What comes while workers are being woken counts: the fourth is the last.
    await receiver.capture({ limit: 4, wakeup })
    expect(seen.map((event) => event.type)).toEqual(['task-sent', 'task-received', 'worker-offline'])
    expect(wakeup).toHaveBeenCalledOnce()
    expect(seen[0]).toMatchObject({ clock: 49, local_received: 7 })
    expect(seen[1]).toMatchObject({ clock: 70 })
    expect(started[0]).toMatchObject({ uuid: '1', clock: 72 })
  })

  it('a topic of its own; a signal ends the capture; after a cut it listens again', async () => {
    const seen: string[] = []
    await using receiver = new EventReceiver({
      broker: () => broker,
      serializers,
      clock: clock(),
      routingKey: 'worker.#',
      handlers: { '*': (event) => seen.push(event.type) },
    })
    await using producer = new Producer({ broker: () => broker })
    const dispatcher = new EventDispatcher({
      broker: () => broker,
      publish: (message) => producer.publish(message),
      serializers,
      clock: clock(),
      hostname: 'w@h',
    })
    await receiver.start()
    dispatcher.send('task-received')
    dispatcher.send('worker-online')
    await vi.waitFor(() => expect(seen).toEqual(['worker-online']))
    memoryHub(hub).cut(broker)
    await vi.waitFor(async () => {
      dispatcher.send('worker-heartbeat')
      await new Promise(setImmediate)
      expect(seen).toContain('worker-heartbeat')
    })
    const stop = new AbortController()
    const capturing = receiver.capture({ signal: stop.signal })
    stop.abort()
    await capturing
    await dispatcher.close()
  })

  /** The broker, with what its connections are asked and the notices they could give. */
  function watched(refusals: Error[] = []): {
    readonly broker: Broker
    readonly consumers: { open: number; opened: number }
    notice: (notice: Notice) => void
  } {
    const state = { consumers: { open: 0, opened: 0 }, notice: (_notice: Notice): void => {} }
    const wrapped = defineBroker({
      ...broker,
      describe: () => broker.describe(),
      settlesWith: () => false,
      close: () => broker.close(),
      connect: async (options) => {
        state.notice = options.onNotice
        const connection = await broker.connect(options)
        const openConsumer = connection.openConsumer.bind(connection)
        connection.openConsumer = async (consumerOptions) => {
          const consumer = await openConsumer(consumerOptions)
          state.consumers.open++
          state.consumers.opened++
          const { subscribe, close } = consumer
          consumer.subscribe = async (...given) => {
            const refusal = refusals.shift()
            if (refusal !== undefined) throw refusal
            await subscribe.apply(consumer, given)
          }
          consumer.close = async (...given) => {
            state.consumers.open--
            await close.apply(consumer, given)
          }
          return consumer
        }
        return connection
      },
    })
    return Object.assign(state, { broker: wrapped })
  }
  const receiverOn = (on: Broker, handler: (event: CeleryEvent) => unknown, warn?: (text: string) => void) =>
    new EventReceiver({ broker: () => on, serializers, clock: clock(), handlers: { '*': handler }, warn })

  it.each([
    ['no handlers', {}, /needs handlers by the type/],
    ['one that is no function', { handlers: { 'task-failed': 'print' } }, /"task-failed" must be a function/],
  ])('%s: it is refused when it is made, not at the first event', (_what, options, message) => {
    expect(
      () => new EventReceiver({ broker: () => broker, serializers, clock: clock(), ...options } as never),
    ).toThrow(expect.objectContaining({ code: 'CT_CONFIGURATION', message: expect.stringMatching(message) }))
  })

  it('close ends a capture, and start after it is refused', async () => {
    const receiver = receiverOn(broker, () => {})
    const capturing = receiver.capture()
    await receiver.start()
    await receiver.close()
    await capturing
    await expect(receiver.start()).rejects.toMatchObject({ code: 'CT_CLOSED' })
  })

  it('a refusal is told to who starts, the next start asks again; nothing stays open', async () => {
    const on = watched([new BrokerError('not allowed')])
    await using receiver = receiverOn(on.broker, () => {})
    await expect(receiver.start()).rejects.toMatchObject({ code: 'CT_BROKER' })
    expect(on.consumers.open).toBe(0)
    await receiver.start()
    expect(on.consumers.open).toBe(1)
  })

  it('a subscription that failed on the way is made again', async () => {
    const on = watched([new BrokerUnavailableError('blink')])
    await using receiver = receiverOn(on.broker, () => {})
    await receiver.start()
    expect(on.consumers.open).toBe(1)
  })

  it('listens again when the broker has given up its queue', async () => {
    const on = watched()
    await using receiver = receiverOn(on.broker, () => {})
    await receiver.start()
    on.notice({ kind: 'consumer-cancelled', queue: 'celeryev.x', reason: 'deleted' })
    await vi.waitFor(() => expect(on.consumers).toEqual({ open: 1, opened: 2 }))
  })

  it.each([
    [
      'throws',
      () => {
        throw new Error('mine')
      },
    ],
    ['rejects', async () => Promise.reject(new Error('mine'))],
  ])('two captures at a time; a handler that %s hurts nobody', async (_how, handler) => {
    const warnings: string[] = []
    await using receiver = receiverOn(broker, handler, (text) => warnings.push(text))
    await using producer = new Producer({ broker: () => broker })
    const dispatcher = new EventDispatcher({
      broker: () => broker,
      publish: (message, options) => producer.publish(message, options),
      serializers,
      clock: clock(),
      hostname: 'w@h',
    })
    await receiver.start()
    const captures = Promise.all([receiver.capture({ limit: 1 }), receiver.capture({ limit: 2 })])
    await new Promise(setImmediate)
    dispatcher.send('worker-online')
    dispatcher.send('worker-offline')
    await captures
    expect(warnings).toEqual([
      'The handler of the event worker-online failed: mine',
      'The handler of the event worker-offline failed: mine',
    ])
    await dispatcher.close()
  })
})
