import type {
  Broker,
  BrokerConnection,
  CeleryError,
  ConnectOptions,
  OutgoingMessage,
  QueueDeclaration,
} from '@ct/contracts'
import { BrokerError, BrokerUnavailableError, ClosedError, defineBroker, PublishError } from '@ct/contracts'
import { memory } from '@ct/broker-memory'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { Queue } from '../routing/index.ts'
import type { ProducerSettings } from './index.ts'
import { Producer } from './index.ts'

type Answer = 'ok' | 'silence' | Error

/** A broker whose answers to connect, declare and publish are listed; what is not listed succeeds. */
class Script {
  connects: Answer[] = []
  declares: Answer[] = []
  publishes: Answer[] = []
  readonly log: string[] = []
  readonly options: ConnectOptions[] = []

  readonly broker: Broker = defineBroker({
    name: 'script',
    packageName: '@ct/broker-script',
    capabilities: memory.broker!('memory://script', {}).capabilities,
    describe: () => ({ ...memory.broker!('memory://script', {}).describe(), url: 'script://host' }),
    settlesWith: () => false,
    close: async () => {},
    connect: async (options) => {
      this.log.push('connect')
      this.options.push(options)
      await this.#answer(this.connects.shift(), options.signal)
      return this.#connection()
    },
  })

  lose(): void {
    this.options.at(-1)!.onNotice({ kind: 'connection-lost', error: new BrokerUnavailableError('cable') })
  }

  #connection(): BrokerConnection {
    const refuse = (): never => {
      throw new Error('not in this test')
    }
    return {
      leaseMs: undefined,
      parked: {} as BrokerConnection['parked'],
      declare: async (queues: readonly QueueDeclaration[], options) => {
        const exchanges = options?.exchanges?.map(({ name }) => ` +${name}`) ?? []
        this.log.push(`declare ${queues.map((queue) => queue.name).join()}${exchanges.join('')}`)
        await this.#answer(this.declares.shift(), options?.signal)
      },
      publish: async (message, options) => {
        this.log.push(`publish ${message.routingKey}`)
        await this.#answer(this.publishes.shift(), options?.signal)
      },
      publishMany: async (messages, options) => {
        this.log.push(`publishMany ${messages.map((message) => message.routingKey).join()}`)
        return await Promise.all(
          messages.map(async () => {
            const answer = this.publishes.shift()
            if (answer instanceof ClosedError) this.lose()
            if (answer instanceof Error) return answer as CeleryError
            await this.#answer(answer, options?.signal)
            return undefined
          }),
        )
      },
      openConsumer: refuse,
      queueSize: refuse,
      purge: refuse,
      deleteQueue: refuse,
      close: async () => void this.log.push('close'),
      [Symbol.asyncDispose]: async () => {},
    }
  }

  #answer(answer: Answer = 'ok', signal: AbortSignal | undefined): Promise<void> {
    if (answer === 'ok') return Promise.resolve()
    // Whoever gives up a connection closes it, and the adapter tells all that is under way on it.
    if (answer instanceof ClosedError) this.lose()
    if (answer !== 'silence') return Promise.reject(answer)
    return new Promise((_, reject) => signal?.addEventListener('abort', () => reject(signal.reason as Error)))
  }
}

function message(routingKey = 'q'): OutgoingMessage {
  return {
    body: new Uint8Array([1]),
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    headers: {},
    properties: {},
    exchange: '',
    routingKey,
  }
}

const away = (): BrokerUnavailableError => new BrokerUnavailableError('not there')
const lost = (maybeDelivered = true): PublishError => new PublishError('lost', { maybeDelivered })

/** What a promise rejects with; watched from now on, so that nothing is unhandled meanwhile. */
function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  )
}

describe('publishing', () => {
  let script: Script
  let producer: Producer
  const start = (settings: ProducerSettings = {}): Producer => {
    producer = new Producer({ broker: () => script.broker, settings, backoff: { jitter: 0 } })
    return producer
  }

  beforeEach(() => {
    vi.useFakeTimers({
      toFake: ['setTimeout', 'clearTimeout', 'setInterval', 'clearInterval', 'performance'],
    })
    script = new Script()
  })
  afterEach(async () => {
    await producer.close()
    expect(vi.getTimerCount()).toBe(0)
    vi.useRealTimers()
  })

  it('APP-95: connects at the first publish and declares a queue once per connection', async () => {
    start()
    const { declaration } = new Queue('q')
    const other = new Queue('other').declaration
    await Promise.all([
      producer.publish(message(), { declare: [declaration] }),
      producer.publish(message(), { declare: [declaration] }),
    ])
    await producer.publish(message(), { declare: [declaration] })
    await producer.publish(message('other'), { declare: [declaration, other] })
    expect(script.log).toEqual([
      'connect',
      'declare q',
      'publish q',
      'publish q',
      'publish q',
      'declare other',
      'publish other',
    ])
    script.lose()
    await producer.publish(message(), { declare: [declaration] })
    expect(script.log.slice(-4)).toEqual(['close', 'connect', 'declare q', 'publish q'])
  })

  it('APP-96: a publish that failed is tried again, at once, then with growing pauses', async () => {
    start()
    script.publishes = [lost(), lost(), lost()]
    const done = producer.publish(message())
    await vi.advanceTimersByTimeAsync(0 + 200)
    expect(script.log.filter((line) => line === 'publish q')).toHaveLength(3)
    await vi.advanceTimersByTimeAsync(400)
    await done
    expect(script.log.filter((line) => line === 'publish q')).toHaveLength(4)
  })

  it('APP-96: after maxRetries the error tells whether the broker may have the message', async () => {
    start()
    await producer.publish(message())
    script.publishes = [lost(true), lost(false), lost(false), lost(false)]
    const maybe = failureOf(producer.publish(message()))
    await vi.advanceTimersByTimeAsync(5000)
    expect(await maybe).toMatchObject({ code: 'CT_PUBLISH', maybeDelivered: true })
    script.publishes = [lost(false)]
    await expect(producer.publish(message(), { retryPolicy: { maxRetries: 0 } })).rejects.toMatchObject({
      maybeDelivered: false,
    })
    script.publishes = [lost(false)]
    await expect(producer.publish(message(), { retry: false })).rejects.toMatchObject({
      maybeDelivered: false,
    })
  })

  it('SET-151, SET-152: taskPublishRetry and taskPublishRetryPolicy are what a call does not say', async () => {
    start({ taskPublishRetry: false })
    script.publishes = [lost(false)]
    await expect(producer.publish(message())).rejects.toMatchObject({ code: 'CT_PUBLISH' })
    expect(script.log).toEqual(['connect', 'publish q'])
    await producer.close()

    script.log.length = 0
    start({ taskPublishRetryPolicy: { maxRetries: 1, intervalStart: 0.3, intervalStep: 0, intervalMax: 1 } })
    script.publishes = [lost(false), lost(false), lost(false)]
    const failed = failureOf(producer.publish(message()))
    await vi.advanceTimersByTimeAsync(299)
    expect(script.log).toEqual(['connect', 'publish q'])
    await vi.advanceTimersByTimeAsync(1)
    expect(await failed).toMatchObject({ code: 'CT_PUBLISH' })
    expect(script.log).toEqual(['connect', 'publish q', 'publish q'])
  })

  it('SET-20, TRANS-5: brokerConnectionTimeout ends an attempt to connect; the next one may succeed', async () => {
    start({ brokerConnectionTimeout: 2, publishTimeoutMs: 10_000 })
    script.connects = ['silence']
    const done = producer.publish(message())
    await vi.advanceTimersByTimeAsync(1999)
    expect(script.log).toEqual(['connect'])
    await vi.advanceTimersByTimeAsync(2000)
    await done
    expect(script.log).toEqual(['connect', 'connect', 'publish q'])
  })

  it('a refusal is not tried again and keeps its code', async () => {
    start()
    script.publishes = [new BrokerError('too many')]
    await expect(producer.publish(message())).rejects.toMatchObject({ code: 'CT_BROKER' })
    expect(script.log).toEqual(['connect', 'publish q'])
  })

  it('PAIN-11: publishTimeoutMs bounds connecting: nothing was delivered', async () => {
    start({ publishTimeoutMs: 3000 })
    script.connects = Array.from({ length: 100 }, away)
    const failed = failureOf(producer.publish(message()))
    await vi.advanceTimersByTimeAsync(3000)
    expect(await failed).toMatchObject({
      code: 'CT_PUBLISH',
      maybeDelivered: false,
      message: expect.stringMatching(/within 3000 ms.*sending again is safe/) as string,
    })
  })

  it('PAIN-11: publishTimeoutMs bounds an answer that never comes: it may be delivered, and the connection is given up', async () => {
    start({ publishTimeoutMs: 3000 })
    await producer.publish(message())
    script.publishes = ['silence']
    const failed = failureOf(producer.publish(message()))
    await vi.advanceTimersByTimeAsync(3000)
    expect(await failed).toMatchObject({ maybeDelivered: true, retryable: true })
    await producer.publish(message())
    expect(script.log.filter((line) => line === 'connect')).toHaveLength(2)
  })

  describe('a connection that is given up while others publish on it: they go on, on the next one', () => {
    const closed = (): ClosedError => new ClosedError('This connection is closed')
    const inTime = async <T>(publishing: Promise<T>): Promise<T> => {
      const [outcome] = await Promise.all([publishing, vi.advanceTimersByTimeAsync(2000)])
      return outcome
    }

    it.each(['the everyday way', 'with a signal'])('publish, %s', async (way) => {
      start()
      await producer.publish(message('a'))
      script.publishes = [closed()]
      const { signal } = new AbortController()
      await inTime(producer.publish(message('b'), way === 'with a signal' ? { signal } : {}))
      expect(script.log.filter((line) => line !== 'close')).toEqual([
        'connect',
        'publish a',
        'publish b',
        'connect',
        'publish b',
      ])
    })

    it('it may have been delivered', async () => {
      start()
      script.publishes = [closed()]
      expect(await failureOf(producer.publish(message(), { retry: false }))).toMatchObject({
        code: 'CT_PUBLISH',
        maybeDelivered: true,
        retryable: true,
        cause: { code: 'CT_CLOSED' },
      })
    })

    it('publishMany, and while queues are declared', async () => {
      start()
      script.publishes = ['ok', closed()]
      expect(await inTime(producer.publishMany([message('a'), message('b')]))).toEqual([undefined, undefined])
      script.declares = [closed()]
      await inTime(producer.publish(message('c'), { declare: [new Queue('q').declaration] }))
      expect(script.log.filter((line) => line !== 'close')).toEqual([
        ...['connect', 'publishMany a,b', 'connect', 'publishMany b'],
        ...['declare q', 'connect', 'declare q', 'publish c'],
      ])
    })

    it('a connection that says so of itself is believed', async () => {
      start()
      await producer.publish(message())
      vi.spyOn(script, 'lose').mockReturnValue()
      script.publishes = [closed()]
      expect(await failureOf(producer.publish(message()))).toMatchObject({ code: 'CT_CLOSED' })
    })
  })

  it('a shorter time for one call does not give up the connection', async () => {
    start()
    await producer.publish(message())
    script.publishes = ['silence']
    const failed = failureOf(producer.publish(message(), { timeoutMs: 5 }))
    await vi.advanceTimersByTimeAsync(5)
    expect(await failed).toMatchObject({ maybeDelivered: true })
    await producer.publish(message())
    expect(script.log.filter((line) => line === 'connect')).toHaveLength(1)
  })

  it('the error names what stands in the way: a broker that refuses, or one that says nothing', async () => {
    start({ publishTimeoutMs: 3000, brokerConnectionTimeout: 60 })
    script.connects = Array.from({ length: 100 }, away)
    const refused = failureOf(producer.publish(message()))
    await vi.advanceTimersByTimeAsync(3000)
    expect(await refused).toMatchObject({
      message: expect.stringMatching(/\(publishTimeoutMs\): not there\. The broker has not/) as string,
      cause: { code: 'CT_BROKER_UNAVAILABLE' },
    })
    const unreachable = failureOf(producer.connection())
    await vi.advanceTimersByTimeAsync(3000)
    expect(await unreachable).toMatchObject({
      message: 'The broker script://host could not be reached within 3000 ms: not there',
    })
    await producer.close()

    start({ publishTimeoutMs: 3000, brokerConnectionTimeout: 60 })
    script.connects = ['silence']
    const silent = producer.publishMany([message()])
    await vi.advanceTimersByTimeAsync(3000)
    expect((await silent)[0]?.message).toMatch(
      /: the broker script:\/\/host does not answer\. The broker has not/,
    )
  })

  it('a connection that was made late is not given up for the rest of the time', async () => {
    start({ publishTimeoutMs: 3000 })
    script.connects = [away(), away(), away(), away()]
    script.publishes = ['silence']
    const failed = failureOf(producer.publish(message()))
    await vi.advanceTimersByTimeAsync(3000)
    expect(await failed).toMatchObject({ maybeDelivered: true })
    await producer.publish(message())
    expect(script.log.filter((line) => line === 'close')).toEqual([])
  })

  it('what goes wrong while reporting a message does not send it again', async () => {
    producer = new Producer({
      broker: () => script.broker,
      onSent: () => {
        throw new BrokerUnavailableError('the report')
      },
    })
    await failureOf(producer.publish(message(), { sentEvent: { uuid: '1' } }))
    await vi.advanceTimersByTimeAsync(1000)
    expect(script.log).toEqual(['connect', 'publish q'])
  })

  it('exchanges are declared once per connection, with the queues', async () => {
    start()
    const exchange = { name: 'x', type: 'fanout', durable: false, autoDelete: false }
    const { declaration } = new Queue('q')
    await producer.publish(message(), { exchanges: [exchange] })
    await producer.publish(message(), { exchanges: [exchange], declare: [declaration] })
    await producer.publish(message(), { exchanges: [exchange] })
    expect(script.log).toEqual(['connect', 'declare  +x', 'publish q', 'declare q', 'publish q', 'publish q'])
  })

  it('retry: false fails with the first attempt to connect', async () => {
    start()
    script.connects = [away()]
    await expect(producer.publish(message(), { retry: false })).rejects.toMatchObject({
      maybeDelivered: false,
    })
    expect(script.log).toEqual(['connect'])
  })

  it('a signal ends it, while connecting and while waiting for the answer', async () => {
    start()
    script.connects = ['silence']
    const giveUp = new AbortController()
    const connecting = producer.publish(message(), { signal: giveUp.signal })
    giveUp.abort(new Error('user left'))
    await expect(connecting).rejects.toMatchObject({ code: 'CT_ABORTED', details: { maybeDelivered: false } })

    const later = new AbortController()
    script.publishes = ['silence']
    const waiting = producer.publish(message(), { signal: later.signal })
    await vi.advanceTimersByTimeAsync(1)
    later.abort()
    await expect(waiting).rejects.toMatchObject({ code: 'CT_ABORTED', details: { maybeDelivered: true } })
  })

  it('a signal that has fired already: nothing is handed over, and that is said', async () => {
    start()
    await producer.publish(message())
    const signal = AbortSignal.abort()
    const refusal = { code: 'CT_ABORTED', details: { maybeDelivered: false } }
    await expect(producer.publish(message(), { signal })).rejects.toMatchObject(refusal)
    expect(await producer.publishMany([message()], { signal })).toMatchObject([refusal])
    expect(script.log).toEqual(['connect', 'publish q'])
  })

  it('a time longer than any timer is not short', async () => {
    start()
    await producer.publish(message())
    script.publishes = ['silence', 'silence']
    let over = 0
    for (const signal of [undefined, new AbortController().signal]) {
      void producer.publish(message(), { timeoutMs: Infinity, signal }).catch(() => over++)
    }
    await vi.advanceTimersByTimeAsync(60_000)
    expect(over).toBe(0)
    await vi.advanceTimersByTimeAsync(2 ** 31)
    expect(over).toBe(2)
  })

  it('publishMany reports per message and retries only what failed', async () => {
    start()
    script.publishes = ['ok', lost(), new BrokerError('refused'), 'ok', lost(true), lost(true), lost(true)]
    const done = producer.publishMany([message('a'), message('b'), message('c')])
    await vi.advanceTimersByTimeAsync(2000)
    const outcomes = await done
    expect(outcomes.map((outcome) => outcome?.code)).toEqual([undefined, undefined, 'CT_BROKER'])
    expect(script.log).toEqual(['connect', 'publishMany a,b,c', 'publishMany b'])
    expect(await producer.publishMany([])).toEqual([])
  })

  it('publishMany within its time: what has no answer may be delivered', async () => {
    start({ publishTimeoutMs: 100 })
    script.publishes = ['ok', 'silence']
    const done = producer.publishMany([message('a'), message('b')])
    await vi.advanceTimersByTimeAsync(100)
    expect((await done).map((outcome) => outcome?.details['maybeDelivered'])).toEqual([true, true])
  })

  it('reports what was sent, after it was confirmed', async () => {
    const sent: unknown[] = []
    producer = new Producer({
      broker: () => script.broker,
      onSent: (event) => sent.push([script.log.length, event]),
    })
    await producer.publish(message(), { sentEvent: { uuid: '1' } })
    await producer.publish(message(), { sentEvent: { uuid: '2' } })
    script.publishes = [new BrokerError('no')]
    await producer.publish(message(), { sentEvent: { uuid: '3' } }).catch(() => {})
    expect(sent).toEqual([
      [2, { uuid: '1' }],
      [3, { uuid: '2' }],
    ])
  })

  it('close waits for what is under way and takes nothing more', async () => {
    start()
    await producer.publish(message())
    script.publishes = [lost()]
    const last = producer.publish(message())
    const closing = producer.close()
    await expect(producer.publish(message())).rejects.toMatchObject({ code: 'CT_CLOSED' })
    await vi.advanceTimersByTimeAsync(1000)
    await last
    await closing
    expect(script.log.slice(-2)).toEqual(['publish q', 'close'])
  })

  it('a broker that asked us to wait is not given up for its silence', async () => {
    start({ publishTimeoutMs: 100 })
    await producer.publish(message())
    script.options[0]!.onNotice({ kind: 'connection-blocked', reason: 'memory' })
    script.publishes = ['silence']
    const failed = failureOf(producer.publish(message()))
    await vi.advanceTimersByTimeAsync(100)
    expect(await failed).toMatchObject({ maybeDelivered: true })
    await producer.publish(message())
    expect(script.log.filter((line) => line === 'connect')).toHaveLength(1)
  })

  it('close without a limit for publishes waits ten seconds, and those under way then end', async () => {
    start({ publishTimeoutMs: null })
    script.connects = Array.from({ length: 100 }, away)
    const failed = failureOf(producer.publish(message()))
    const closing = producer.close()
    await vi.advanceTimersByTimeAsync(10_000)
    await closing
    expect(await failed).toMatchObject({ code: 'CT_CLOSED' })
  })

  it('publishTimeoutMs null: as long as it takes', async () => {
    start({ publishTimeoutMs: null })
    script.connects = Array.from({ length: 30 }, away)
    const done = producer.publish(message())
    await vi.advanceTimersByTimeAsync(600_000)
    await done
  })
})
