/** A broker inside this process, for tests, demos and as the template for adapter authors. Python cannot reach it. */
import { ConfigurationError, type Broker } from '@ct/contracts'
import { defineVirtualBroker } from '@ct/contracts/broker-kit'
import { hubOf, memoryHub, onHub } from './memory-hub.ts'
import { MemoryStore } from './memory-store.ts'
import { describeHub, hubName, type MemoryOptions } from './options.ts'

export interface MemoryBrokerOptions extends MemoryOptions {
  /**
   * How long a held message stays with its connection without being renewed, in ms. Default: for as long as the connection lives.
   * Set it to try what a broker with leases does (Redis, SQS).
   */
  readonly leaseMs?: number
}

/**
 * Makes a broker on the hub that `options` name. All of one name share their queues.
 *
 * @example createApp({ broker: memoryBroker(), backend: memoryBackend() })
 */
export function memoryBroker(options: MemoryBrokerOptions = {}): Broker {
  const hub = memoryHub(hubName('memoryBroker', options, ['leaseMs']), options.time)
  const { leaseMs } = options
  if (leaseMs !== undefined && !(leaseMs > 0))
    throw new ConfigurationError(`leaseMs must be above 0, not ${leaseMs}.`)
  const broker: Broker = defineVirtualBroker({
    name: 'memory',
    packageName: '@ct/broker-memory',
    description: describeHub('memory', hub.name),
    capabilities: {
      driverType: 'memory',
      durable: false,
      confirms: true,
      queuesOnPublish: true,
      ordered: true,
      startCount: 'starts',
      exchanges: { direct: true, topic: true, fanout: true, headers: false },
      eventExchangeType: 'topic',
      remoteControl: true,
      priorities: { order: 'low-first', levels: 10 },
      lease: leaseMs === undefined ? null : { renewable: true },
      settleAcrossConnections: leaseMs !== undefined,
      nativeDelay: { maxMs: Number.MAX_SAFE_INTEGER },
      mandatory: true,
      messageTtl: true,
      maxMessageBytes: null,
      requeuePosition: 'back',
      parking: 'atomic',
      wakeUp: 'push',
      queueSize: 'exact',
    },
    openStore: async ({ onLost }) => new MemoryStore(hub, broker, leaseMs, onLost),
    settlesWith: (backend) => hubOf(backend) === hub,
  })
  return onHub(hub, broker)
}
