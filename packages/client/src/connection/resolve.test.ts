import type { Broker, ConnectOptions } from '@ct/contracts'
import { AbortedError, BrokerUnavailableError, defineAdapter, defineBroker } from '@ct/contracts'
import { memory } from '@ct/broker-memory'
import { describe, expect, it } from 'vitest'
import { failoverBroker, resolveBackend, resolveBroker } from './index.ts'

const seen: string[] = []
const fake = defineAdapter({
  name: 'fake',
  packageName: '@ct/broker-fake',
  brokerSchemes: ['fake', 'fake+tls'],
  backendSchemes: ['db'],
  broker: (url) => brokerAt(url),
})

function brokerAt(url: string, up: () => boolean = () => true, name = 'fake'): Broker {
  const template = memory.broker!('memory://x', {})
  return defineBroker({
    name,
    packageName: '@ct/broker-fake',
    capabilities: template.capabilities,
    describe: () => ({ ...template.describe(), url }),
    settlesWith: () => false,
    close: async () => {},
    connect: (options: ConnectOptions) => {
      seen.push(url)
      return up()
        ? template.connect(options)
        : Promise.reject(new BrokerUnavailableError(`${url} is not there`))
    },
  })
}

describe('brokers and backends from URLs', () => {
  it('finds the adapter that owns the scheme; a broker object passes as it is', () => {
    const broker = resolveBroker('memory://a', { adapters: [fake, memory] })
    expect(broker.name).toBe('memory')
    expect(resolveBroker(broker)).toBe(broker)
    expect(resolveBackend('cache+memory://', { adapters: [memory] }).name).toBe('memory')
  })

  it('takes the full scheme first, then what stands before the plus', () => {
    expect(resolveBroker('fake+tls://h', { adapters: [fake] }).describe().url).toBe('fake+tls://h')
    expect(resolveBroker('fake+other://h', { adapters: [fake] }).describe().url).toBe('fake+other://h')
  })

  it('BACK-2: Celery’s names of result stores: those of ct’s packages are answered with what to install, others with the schemes there are', async () => {
    const names = {
      ...{ 'redis://h': '@ct/broker-redis', 'rediss://h': '@ct/broker-redis', 'rpc://': '@ct/broker-amqp' },
      ...{ 'sentinel://h': '@ct/broker-redis', 'db+sqlite:///x': '@ct/backend-sql', rpc: '@ct/broker-amqp' },
      ...{ 'database+postgresql://h/x': '@ct/backend-sql', 'cache+memcached://h': '@ct/backend-memcached' },
      ...{ 'cache+memory://': '@ct/broker-memory' },
    }
    for (const [url, name] of Object.entries(names))
      expect(() => resolveBackend(url)).toThrow(`npm install ${name}`)
    for (const url of ['mongodb://h', 'elasticsearch://h', 'riak://h', 'django-db'])
      expect(() => resolveBackend(url)).toThrow(/adapter/)
  })

  it('answers an unknown scheme with the package to install, password masked', () => {
    expect(() => resolveBroker('redis://me:secret@h/0', { adapters: [memory] })).toThrow(
      /scheme "redis" of redis:\/\/me:\*\*@h\/0.*npm install @ct\/broker-redis/,
    )
    expect(() => resolveBackend('db+sqlite:///x')).toThrow(/@ct\/backend-sql/)
    expect(() => resolveBackend('rpc://')).toThrow(/@ct\/broker-amqp/)
    expect(() => resolveBroker('rediss2://h')).toThrow(/Did you mean "rediss"/)
    expect(() => resolveBroker('localhost')).toThrow(/Give a URL, such as redis:\/\/localhost\./)
    expect(() => resolveBroker('')).toThrow()
  })

  it('asks the discovery when nobody was passed', () => {
    const asked: unknown[] = []
    const broker = resolveBroker('memory+x://', {
      discover: (wanted) => {
        asked.push(wanted)
        return memory
      },
    })
    expect(broker.name).toBe('memory')
    expect(asked).toEqual([{ kind: 'broker', schemes: ['memory+x', 'memory'] }])
  })

  it('refuses what no define…() made, what is of another kind, and an adapter that offers no such thing', () => {
    expect(() => resolveBroker({} as Broker)).toThrow(/define/)
    expect(() => resolveBackend(resolveBroker('memory://', { adapters: [memory] }) as never)).toThrow(
      /result-backend/,
    )
    expect(() => resolveBackend('db://', { adapters: [fake] })).toThrow(/offers no backend/)
  })
})

describe('several brokers', () => {
  it('TRANS-3 SET-21: tries the next when one is away, starting with the one that worked last', async () => {
    const up = new Set(['b'])
    const broker = failoverBroker(['a', 'b', 'c'].map((url) => brokerAt(url, () => up.has(url))))
    seen.length = 0
    await (await broker.connect({ onNotice: () => {} })).close()
    expect(seen).toEqual(['a', 'b'])
    expect(broker.describe()).toMatchObject({ url: 'b', alternates: ['a', 'b', 'c'] })
    seen.length = 0
    up.clear()
    up.add('a')
    await (await broker.connect({ onNotice: () => {} })).close()
    expect(seen).toEqual(['b', 'c', 'a'])
    up.clear()
    await expect(broker.connect({ onNotice: () => {} })).rejects.toMatchObject({ retryable: true })
  })

  it('a server that says nothing is passed over at the next attempt', async () => {
    const silent = brokerAt('silent')
    const hanging = defineBroker({
      ...silent,
      describe: () => silent.describe(),
      settlesWith: () => false,
      close: () => silent.close(),
      connect: ({ signal }) =>
        new Promise((_, reject) => {
          signal!.addEventListener('abort', () => reject(new AbortedError('given up')))
        }),
    })
    const broker = failoverBroker([hanging, brokerAt('b')])
    const failing = broker.connect({ onNotice: () => {}, signal: AbortSignal.timeout(5) })
    await expect(failing).rejects.toMatchObject({ code: 'CT_ABORTED' })
    seen.length = 0
    await (await broker.connect({ onNotice: () => {} })).close()
    expect(seen).toEqual(['b'])
  })

  it('reads a list with semicolons; a sentinel list is one system', () => {
    seen.length = 0
    const broker = resolveBroker('fake://a; fake://b', { adapters: [fake] })
    expect(broker.describe().url).toBe('fake://a')
    const sentinel = defineAdapter({
      ...fake,
      brokerSchemes: ['sentinel'],
      broker: (url) => brokerAt(url),
    })
    expect(resolveBroker('sentinel://a;sentinel://b', { adapters: [sentinel] }).describe().url).toBe(
      'sentinel://a;sentinel://b',
    )
  })

  it('TRANS-3 SET-21: shuffles, and takes a strategy of the user’s', () => {
    const brokers = ['a', 'b', 'c'].map((url) => brokerAt(url))
    expect(failoverBroker(brokers, 'shuffle', () => 0).describe().url).toBe('b')
    expect(failoverBroker(brokers, (urls) => [...urls].reverse()).describe().url).toBe('c')
  })

  it('refuses a mixture', () => {
    expect(() => failoverBroker([brokerAt('a'), brokerAt('b', () => true, 'other')])).toThrow(/of one kind/)
  })
})
