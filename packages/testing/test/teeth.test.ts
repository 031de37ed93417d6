/** The broker suite must fail for a broker that breaks a duty: each of these breaks one, and the tests of that number have to notice. */
import { randomUUID } from 'node:crypto'
import { memoryBackend, memoryBroker, memoryHub } from '@ct/broker-memory'
import type { Broker, BrokerConnection, Consumer, ConsumerOptions, Delivery } from '@ct/contracts'
import { describe, expect, it } from 'vitest'
import { brokerConformance, type TestRunner } from '../src/conformance/index.ts'

/** Short where the suite must notice that something is not renewed. */
const shortLeaseMs = 300
/** Longer than a busy machine stands still, where everything must be well. */
const longLeaseMs = 1_500

/** The same object with some members replaced. */
function but<T extends object>(target: T, replaced: Partial<T>): T {
  return new Proxy(target, {
    get(inner, key) {
      if (Object.hasOwn(replaced, key)) return replaced[key as keyof T]
      const value: unknown = Reflect.get(inner, key)
      return typeof value === 'function' ? (value.bind(inner) as unknown) : value
    },
  })
}

type Wrong = {
  connection?: (connection: BrokerConnection) => Partial<BrokerConnection>
  consumerOptions?: (options: ConsumerOptions) => ConsumerOptions
  consumer?: (consumer: Consumer) => Partial<Consumer>
  delivery?: (delivery: Delivery) => Partial<Delivery>
}

function wrongBroker(broker: Broker, wrong: Wrong): Broker {
  return but(broker, {
    async connect(options) {
      const connection = await broker.connect(options)
      return but(connection, {
        async openConsumer(given: ConsumerOptions) {
          const asked = wrong.consumerOptions?.(given) ?? given
          const { delivery, consumer } = wrong
          const onDelivery = (real: Delivery): void =>
            asked.onDelivery(delivery === undefined ? real : but(real, delivery(real)))
          const opened = await connection.openConsumer({ ...asked, onDelivery })
          return consumer === undefined ? opened : but(opened, consumer(opened))
        },
        ...wrong.connection?.(connection),
      })
    },
  })
}

/** The first test of this duty that fails, if any. */
async function failures(
  duty: string,
  wrong: Wrong,
  leaseMs: number = shortLeaseMs,
  patienceMs: number = 600,
): Promise<string[]> {
  const tests: { readonly title: string; readonly body: () => Promise<void> }[] = []
  const collect = Object.assign(
    (title: string, body: () => Promise<void>) => void tests.push({ title, body }),
    {
      skip: () => {},
    },
  )
  const runner: TestRunner = { describe: (_, body) => body(), it: collect }
  brokerConformance(
    'wrong',
    async () => {
      const name = randomUUID()
      return {
        async peer() {
          const broker = memoryBroker({ name, leaseMs })
          const cut = async (): Promise<void> => memoryHub(name).cut(broker)
          return { broker: wrongBroker(broker, wrong), cut, kill: cut }
        },
        async putRaw(queue, payload) {
          memoryHub(name).put({
            queue,
            payload,
            priority: 0,
            notBefore: undefined,
            expiresInMs: undefined,
            extra: undefined,
          })
        },
        backend: async () => memoryBackend({ name }),
        close: async () => {},
      }
    },
    {
      runner,
      capabilities: memoryBroker({ leaseMs }).capabilities,
      leaseMs,
      patienceMs,
      quietMs: 40,
      without: ['unreachable', 'refused', 'served', 'backend'],
    },
  )
  const failed: string[] = []
  for (const { title, body } of tests.filter((each) => each.title.startsWith(`${duty}:`))) {
    await body().catch(() => failed.push(title))
    if (failed.length > 0) break
  }
  return failed
}

const cases: readonly (readonly [duty: string, what: string, wrong: Wrong])[] = [
  ['B4', 'says yes and throws the message away', { connection: () => ({ publish: async () => undefined }) }],
  [
    'B5',
    'turns a batch round',
    { connection: (real) => ({ publishMany: (all) => real.publishMany(all.toReversed()) }) },
  ],
  [
    'B6',
    'forgets the headers',
    { connection: (real) => ({ publish: (message) => real.publish({ ...message, headers: {} }) }) },
  ],
  [
    'B7',
    'sends everything to the default exchange',
    { connection: (real) => ({ publish: (message) => real.publish({ ...message, exchange: '' }) }) },
  ],
  [
    'B8',
    'takes one more than allowed',
    { consumerOptions: (given) => ({ ...given, credit: given.credit + 1 }) },
  ],
  [
    'B9',
    'delivers twice',
    {
      consumerOptions: (given) => ({
        ...given,
        onDelivery: (delivery) => {
          given.onDelivery(delivery)
          given.onDelivery(delivery)
        },
      }),
    },
  ],
  [
    'B10',
    'ignores priorities',
    { connection: (real) => ({ publish: (message) => real.publish({ ...message, properties: {} }) }) },
  ],
  ['B11', 'settles again and again', { delivery: (real) => ({ settle: async (how) => real.settle(how) }) }],
  [
    'B12',
    'takes a requeue for an ack',
    {
      delivery: (real) => ({
        settle: (how) => real.settle(how.action === 'requeue' ? { action: 'ack' } : how),
      }),
    },
  ],
  [
    'B13',
    'acks at delivery',
    { delivery: (real) => (void real.settle({ action: 'ack' }), { settle: async () => undefined }) },
  ],
  ['B15', 'renews nothing', { consumer: () => ({ extendLeases: async () => [] }) }],
  ['B16', 'adopts everything in words', { consumer: () => ({ adopt: async () => [] }) }],
  ['B17', 'counts nothing', { delivery: () => ({ countStart: async () => 1 }) }],
  [
    'B18',
    'drops what should be parked',
    {
      delivery: (real) => ({ settle: (how) => real.settle(how.action === 'park' ? { action: 'ack' } : how) }),
    },
  ],
  [
    'B20',
    'does not stop',
    { consumer: () => ({ stop: async () => undefined, pause: () => {}, cancel: async () => undefined }) },
  ],
  ['B22', 'purges in words', { connection: () => ({ purge: async () => 0 }) }],
]

describe('the suite has teeth', () => {
  it.each(cases)(
    '%s: a broker that %s fails',
    async (duty, _, wrong) => {
      expect(await failures(duty, wrong)).not.toEqual([])
    },
    60_000,
  )

  it('and a sound one passes under the same runner', async () => {
    const duties = cases.map(([duty]) => duty)
    const sound = (duty: string): Promise<string[]> => failures(duty, {}, longLeaseMs, 15_000)
    const failed = await Promise.all(duties.map(sound))
    // What failed in the crowd, with little time for each, has a turn of its own.
    for (const duty of duties.filter((_, at) => failed[at]!.length > 0)) expect(await sound(duty)).toEqual([])
  }, 120_000)
})
