/** What the kit makes of a store on its bad days; its good ones are the affair of the conformance suite. */
import { setTimeout as later } from 'node:timers/promises'
import { afterEach, describe, expect, it, vi } from 'vitest'
import {
  messageTo,
  queueNamed,
  text,
  trial,
  trialBroker,
  type Taken,
  type Trial,
  type TrialOptions,
} from '../../test/trial-store.ts'
import type { Consumer, Delivery, Subscription } from '../broker.ts'
import { BrokerError, BrokerUnavailableError, CeleryError, PublishError } from '../errors.ts'
import { parkedHeader } from '../parking.ts'
import type { TakeRequest } from './virtual-store.ts'

const opened: Trial[] = []

afterEach(async () => {
  for (const { broker } of opened.splice(0)) await broker.close()
})

async function open(options?: TrialOptions): Promise<Trial> {
  const made = await trial(options)
  opened.push(made)
  return made
}

async function consume(
  { connection }: Trial,
  subscriptions: readonly (string | Subscription)[],
  credit: number = 10,
): Promise<{ readonly consumer: Consumer; readonly got: Delivery[] }> {
  const got: Delivery[] = []
  const consumer = await connection.openConsumer({ credit, onDelivery: (delivery) => got.push(delivery) })
  await consumer.subscribe(
    subscriptions.map((one) => (typeof one === 'string' ? { queue: queueNamed(one) } : one)),
  )
  return { consumer, got }
}

async function first(got: readonly Delivery[]): Promise<Delivery> {
  await vi.waitFor(() => expect(got).not.toHaveLength(0))
  return got[0]!
}

const reset = (): Error => Object.assign(new Error('read ECONNRESET'), { code: 'ECONNRESET' })
const leaseLost = (): Error => new CeleryError('CT_LEASE_LOST', 'somebody else has it')

describe('take', () => {
  it('V10: a raw error of the driver is a lost connection, not a refused queue', async () => {
    const made = await open({
      store: () => ({
        async take() {
          throw reset()
        },
      }),
    })
    await consume(made, ['q', 'r'])
    await vi.waitFor(() => expect(made.notices).toMatchObject([{ kind: 'connection-lost' }]))
    await expect(made.connection.queueSize('q')).rejects.toMatchObject({ code: 'CT_BROKER_UNAVAILABLE' })
  })

  it('V10: a BrokerError that the store made itself cancels the queues, and the others go on', async () => {
    const made = await open({
      takeFrom: 'one-queue',
      store: (store) => {
        const take = store.take.bind(store)
        return {
          async take(request: TakeRequest) {
            if (request.queues[0] === 'forbidden') throw new BrokerError('not allowed')
            return take(request)
          },
        }
      },
    })
    const { got } = await consume(made, ['forbidden', 'q'])
    await made.connection.publish(messageTo('q', 'a'))
    expect(text(await first(got))).toBe('a')
    expect(made.notices).toEqual([{ kind: 'consumer-cancelled', queue: 'forbidden', reason: 'not allowed' }])
  })

  it('a subscription to many queues starts each take once', async () => {
    const takes: string[] = []
    const made = await open({
      takeFrom: 'one-queue',
      capabilities: { wakeUp: 'push' },
      store: () => ({
        async take({ queues, signal }: TakeRequest) {
          takes.push(queues.join())
          await new Promise((resolve) => signal.addEventListener('abort', resolve))
          return []
        },
      }),
    })
    const names = Array.from({ length: 10 }, (_, index) => `q${index}`)
    await consume(made, names, 100)
    await later(5)
    expect(takes.toSorted()).toEqual(names)
  })

  it('what needs no acks is delivered once it is gone, and not at all where the store refuses that', async () => {
    const refusals: (Error | undefined)[] = [new BrokerError('not now'), leaseLost(), undefined]
    const made = await open({
      store: (store) => {
        const settle = store.settle.bind(store)
        return {
          async settle(steps) {
            if (steps[0]?.action !== 'ack') return settle(steps)
            const refused = refusals.shift()
            return refused === undefined ? settle(steps) : [refused]
          },
        }
      },
    })
    await made.connection.publish(messageTo('replies', 'once'))
    const { got } = await consume(made, [{ queue: queueNamed('replies'), noAck: true }])
    await vi.waitFor(() => expect(refusals).toHaveLength(1))
    await later(5)
    expect(got).toHaveLength(0)
    await made.connection.publish(messageTo('replies', 'twice'))
    expect(text(await first(got))).toBe('twice')
    expect(got).toHaveLength(1)
    expect(made.notices).toEqual([])
  })
})

describe('settle', () => {
  async function held(settle: (taken: Taken) => Error | undefined): Promise<{
    readonly made: Trial
    readonly consumer: Consumer
    readonly delivery: Delivery
  }> {
    const made = await open({
      store: (store) => {
        const really = store.settle.bind(store)
        return {
          async settle(steps) {
            const refused = steps.map(({ taken }) => settle(taken))
            if (refused.every((error) => error === undefined)) return really(steps)
            return refused
          },
        }
      },
    })
    await made.connection.publish(messageTo('q', 'a'))
    const { consumer, got } = await consume(made, ['q'], 1)
    return { made, consumer, delivery: await first(got) }
  }

  it('B11: refused for the moment: still held, and the next settlement counts', async () => {
    const refusals: (Error | undefined)[] = [new BrokerError('throttled', { retryable: true })]
    const { made, consumer, delivery } = await held(() => refusals.shift())
    await expect(delivery.settle({ action: 'ack' })).rejects.toMatchObject({ code: 'CT_BROKER' })
    expect(delivery.settled).toBe(false)
    await expect(consumer.flush()).rejects.toThrow('throttled')
    await made.connection.publish(messageTo('q', 'b'))
    await later(5)
    expect(await made.connection.queueSize('q')).toBe(1)
    await delivery.settle({ action: 'ack' })
    expect(delivery.settled).toBe(true)
    await vi.waitFor(async () => expect(await made.connection.queueSize('q')).toBe(0))
  })

  it('B11: refused for the moment and then closed: given back', async () => {
    const refusals: (Error | undefined)[] = [new BrokerError('throttled', { retryable: true })]
    const { made, consumer, delivery } = await held(() => refusals.shift())
    const refused = delivery.settle({ action: 'ack' })
    await Promise.all([expect(refused).rejects.toThrow('throttled'), consumer.close()])
    expect(await made.connection.queueSize('q')).toBe(1)
  })

  it('B11: refused for good: an error of ours, the place is free, and asking again changes nothing', async () => {
    const { made, delivery } = await held(() => new TypeError('odd'))
    const refused = delivery.settle({ action: 'ack' })
    await expect(refused).rejects.toMatchObject({ code: 'CT_BROKER', cause: new TypeError('odd') })
    expect(delivery.settled).toBe(true)
    expect(delivery.settle({ action: 'ack' })).toBe(refused)
    await made.connection.publish(messageTo('q', 'b'))
    await vi.waitFor(async () => expect(await made.connection.queueSize('q')).toBe(0))
  })

  it('maxSettle and maxPut bound what the store is given at a time, in order', async () => {
    const made = await open({ maxSettle: 2, maxPut: 3, maxPutBytes: 2_000 })
    const bodies = ['a', 'b', 'c', 'd', 'e'].map((body) => messageTo('q', body))
    await made.connection.publishMany([...bodies, messageTo('q', 'f'.repeat(1_900)), messageTo('q', 'g')])
    expect(made.store.calls).toEqual(['put 3', 'put 2', 'put 1', 'put 1'])
    made.store.calls.length = 0
    const { got } = await consume(made, ['q'])
    await vi.waitFor(() => expect(got).toHaveLength(7))
    expect(got.map((one) => text(one)[0]).join('')).toBe('abcdefg')
    await Promise.all(got.map((one) => one.settle({ action: 'ack' })))
    expect(made.store.calls.filter((call) => call.startsWith('settle'))).toEqual([
      'settle ack ack',
      'settle ack ack',
      'settle ack ack',
      'settle ack',
    ])
  })

  it('one call of several that is refused costs its own settlements only', async () => {
    let calls = 0
    const made = await open({
      maxSettle: 1,
      store: (store) => {
        const settle = store.settle.bind(store)
        return {
          async settle(steps) {
            if (++calls === 2) throw reset()
            return settle(steps)
          },
        }
      },
    })
    await made.connection.publishMany(['a', 'b', 'c'].map((body) => messageTo('q', body)))
    const { got } = await consume(made, ['q'])
    await vi.waitFor(() => expect(got).toHaveLength(3))
    const outcomes = await Promise.allSettled(got.map((one) => one.settle({ action: 'ack' })))
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
  })
})

describe('publish', () => {
  it('B4: a broadcast that fails may have been delivered', async () => {
    const made = await open({
      store: () => ({
        fanout: {
          bind: async () => {},
          async publish() {
            throw reset()
          },
        },
      }),
    })
    const sent = made.connection.publish(messageTo('', 'a', { exchange: 'celeryev', exchangeType: 'fanout' }))
    await expect(sent).rejects.toMatchObject({ code: 'CT_PUBLISH', maybeDelivered: true })
  })

  it('B4: a mandatory message to a queue that is not there is refused, where the store knows', async () => {
    const made = await open({
      store: (store) => ({ queueExists: async (queue) => store.queues.has(queue) }),
    })
    const lost = made.connection.publish(messageTo('nowhere', 'a', { mandatory: true }))
    await expect(lost).rejects.toBeInstanceOf(PublishError)
    await expect(lost).rejects.toMatchObject({ maybeDelivered: false, retryable: false })
    expect(made.store.queues.has('nowhere')).toBe(false)
    await made.connection.publish(messageTo('nowhere', 'a'))
    await made.connection.publish(messageTo('nowhere', 'b', { mandatory: true }))
    expect(await made.connection.queueSize('nowhere')).toBe(2)
  })

  it('a passive declaration asks for the queue and makes nothing', async () => {
    const made = await open({
      store: (store) => ({ queueExists: async (queue) => store.queues.has(queue) }),
    })
    const passive = queueNamed('q', { passive: true })
    await expect(made.connection.declare([passive])).rejects.toMatchObject({ code: 'CT_QUEUE_NOT_FOUND' })
    made.store.queue('q')
    await made.connection.declare([passive])
  })

  it('the limit counts bytes and leaves room to park', async () => {
    const made = await open({ capabilities: { maxMessageBytes: 10_000 } })
    const headers = { id: 'a', note: 'ä'.repeat(4_800) }
    await expect(made.connection.publish(messageTo('q', 'a', { headers }))).rejects.toMatchObject({
      code: 'CT_MESSAGE_TOO_LARGE',
      details: { maxBytes: 10_000 - 1_024, maybeDelivered: false },
    })
    const body = 'x'.repeat(6_300)
    await made.connection.publish(messageTo('q', body, { headers: { id: 'large' } }))
    expect(made.store.queue('q')[0]!.payload.length).toBeGreaterThan(8_600)
  })
})

describe('parking', () => {
  const atLimit = (limit: number): TrialOptions => ({
    capabilities: { maxMessageBytes: limit },
    store: (store) => {
      const put = store.put.bind(store)
      return {
        async put(puts) {
          const tooLarge = puts.some(({ payload }) => Buffer.byteLength(payload) > limit)
          return tooLarge ? puts.map(() => new BrokerError('too large')) : put(puts)
        },
      }
    },
  })

  it('B18: a message as large as may be published can be parked with its history, however long the reason', async () => {
    const made = await open(atLimit(10_000))
    await made.connection.publish(messageTo('q', 'x'.repeat(6_400), { headers: { id: 'large' } }))
    const { got } = await consume(made, ['q'])
    await (await first(got)).settle({ action: 'park', reason: 'r'.repeat(5_000), starts: 6 })
    const [parked] = await made.connection.parked.list('q')
    expect(parked).toMatchObject({ taskId: 'large', retryable: true, history: { starts: 6, queue: 'q' } })
    expect(parked!.history.reason).toBe('r'.repeat(300))
  })

  it('B18: one that somebody else published larger than that is parked as it was', async () => {
    const made = await open(atLimit(10_000))
    const { connection, store } = made
    await connection.publish(messageTo('q', 'small'))
    const [put] = store.queue('q')
    store.queue('q').length = 0
    const room = Math.floor((9_950 - put!.payload.length) / 4) * 3
    const payload = put!.payload.replace('c21hbGw=', btoa('x'.repeat(room)))
    store.queue('q').push({ ...put!, payload })
    const { got } = await consume(made, ['q'])
    await (await first(got)).settle({ action: 'park', reason: 'max-deliveries', starts: 6 })
    const [parked] = await connection.parked.list('q')
    expect(parked).toMatchObject({
      taskId: 'small',
      retryable: true,
      history: { reason: 'unknown', queue: 'q' },
    })
  })

  it('B19: what is no envelope is parked as it was where wrapping makes it too large, and discarded where that is refused', async () => {
    const made = await open(atLimit(1_000))
    const item = { priority: 0, notBefore: undefined, expiresInMs: undefined, extra: undefined }
    made.store.queue('q').push({ ...item, queue: 'q', payload: '!'.repeat(900) })
    made.store.queue('q').push({ ...item, queue: 'q', payload: '?'.repeat(1_100) })
    await consume(made, ['q'])
    await vi.waitFor(() => expect(made.notices).toHaveLength(2))
    expect(made.notices).toMatchObject([
      { kind: 'malformed', parkedIn: 'q.parked' },
      { kind: 'malformed', parkedIn: undefined },
    ])
    const [parked, none] = await made.connection.parked.list('q')
    expect(none).toBeUndefined()
    expect(parked).toMatchObject({ retryable: false, history: { reason: 'malformed' } })
    expect(text(parked!)).toBe('!'.repeat(900))
    expect(parked!.id).toMatch(/^[0-9a-f]{40}$/)
    expect(await made.connection.parked.drop('q', [parked!.id])).toBe(1)
  })

  it('B19: what is no envelope is moved in one step where parking is atomic', async () => {
    const made = await open({ capabilities: { parking: 'atomic' } })
    const item = { priority: 0, notBefore: undefined, expiresInMs: undefined, extra: undefined }
    made.store.queue('q').push({ ...item, queue: 'q', payload: 'garbage' })
    await consume(made, ['q'])
    await vi.waitFor(() => expect(made.notices).toHaveLength(1))
    expect(made.store.calls.filter((call) => !call.startsWith('take'))).toEqual(['settle move'])
    expect(await made.connection.parked.list('q')).toHaveLength(1)
  })

  it('B18: a retried message has its priority and its extra properties again', async () => {
    const made = await open()
    const properties = { priority: 7, extra: { MessageGroupId: 'g' } }
    await made.connection.publish(messageTo('q', 'a', { properties }))
    const { consumer, got } = await consume(made, ['q'])
    await (await first(got)).settle({ action: 'park', reason: 'by hand' })
    await consumer.close()
    const [parked] = made.store.queue('q.parked')
    expect(parked).toMatchObject({ priority: 0, extra: { MessageGroupId: 'g' } })
    const [listed] = await made.connection.parked.list('q')
    expect(await made.connection.parked.retry('q', [listed!.id])).toBe(1)
    const [again] = made.store.queue('q')
    expect(again).toMatchObject({ priority: 7, extra: { MessageGroupId: 'g' } })
    expect(again!.payload).not.toContain(parkedHeader)
  })

  it('B18: dropping counts what the store has dropped', async () => {
    const refusals: (Error | undefined)[] = [leaseLost(), new TypeError('odd')]
    const made = await open({
      store: (store) => {
        const settle = store.settle.bind(store)
        return {
          async settle(steps) {
            const refused = steps[0]?.action === 'ack' ? refusals.shift() : undefined
            return refused === undefined ? settle(steps) : [refused]
          },
        }
      },
    })
    const { parked } = made.connection
    await made.connection.publish(messageTo('q.parked', 'a'))
    const [{ id } = { id: '' }] = await parked.list('q')
    expect(await parked.drop('q', [id])).toBe(0)
    made.store.queue('q.parked').push(...made.store.held)
    await expect(parked.drop('q', [id])).rejects.toMatchObject({ code: 'CT_BROKER' })
    made.store.queue('q.parked').push(...made.store.held)
    expect(await parked.drop('q', [id])).toBe(1)
    expect(await parked.list('q')).toEqual([])
  })

  it('B18: an empty answer is not the end, and what comes back meanwhile is not listed twice', async () => {
    let takes = 0
    const made = await open({
      maxTake: 2,
      store: (store) => {
        const take = store.take.bind(store)
        return {
          async take(request: TakeRequest) {
            takes++
            if (takes % 2 === 1) return []
            const taken = await take(request)
            // Leases that run out while others are looked at.
            if (takes === 4) store.queue('q.parked').push(taken[0]!.handle)
            return taken
          },
        }
      },
    })
    for (const body of ['a', 'b', 'c', 'd', 'e']) {
      await made.connection.publish(messageTo('q.parked', body))
    }
    const listed = await made.connection.parked.list('q')
    expect(listed.map(text)).toEqual(['a', 'b', 'c', 'd', 'e'])
  })
})

describe('connect', () => {
  it('B3: closing the broker ends a connect under way with CT_CLOSED', async () => {
    const broker = trialBroker({ openStore: () => new Promise(() => {}) })
    const connecting = broker.connect({ onNotice: () => {} })
    await Promise.all([expect(connecting).rejects.toMatchObject({ code: 'CT_CLOSED' }), broker.close()])
  })

  it('B2: its own signal ends it with CT_ABORTED', async () => {
    const broker = trialBroker({ openStore: () => new Promise(() => {}) })
    const stop = new AbortController()
    const connecting = broker.connect({ signal: stop.signal, onNotice: () => {} })
    stop.abort()
    await expect(connecting).rejects.toMatchObject({ code: 'CT_ABORTED' })
    await broker.close()
  })

  it('V9: a connection lost while settling leaves the delivery to be adopted', async () => {
    const made = await open()
    await made.connection.publish(messageTo('q', 'a'))
    const { got } = await consume(made, ['q'])
    const delivery = await first(got)
    made.events.onLost(reset())
    await expect(delivery.settle({ action: 'ack' })).rejects.toBeInstanceOf(BrokerUnavailableError)
    expect(made.notices).toMatchObject([{ kind: 'connection-lost' }])
  })
})
