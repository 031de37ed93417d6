import { ClosedError, defineBroker, type Broker, type BrokerCapabilities } from '@ct/contracts'
import { findEndpoint } from '../connection/endpoint.ts'
import { brokerFailures } from '../connection/failure.ts'
import { Keys } from '../keys.ts'
import { brokerSettings, type RedisBrokerOptions } from '../options/broker-options.ts'
import { packageName } from '../package-name.ts'
import { brandBroker, redisStore, serverName, type RedisStore } from '../same-server.ts'
import { RedisBrokerConnection } from './connection.ts'

/**
 * Redis, and what speaks like it (Valkey), as kombu lays it out; Python peers share queues, events and remote control. Error: `CT_CONFIGURATION`.
 *
 * @example createApp({ broker: redisBroker({ url: 'redis://localhost', visibilityTimeout: 600 }) })
 */
export function redisBroker(options: RedisBrokerOptions = {}): Broker {
  const settings = brokerSettings(options as Readonly<Record<string, unknown>>)
  const keys = new Keys(settings)
  const connections = new Set<RedisBrokerConnection>()
  const orphans = new Set<string>()
  let settledStore: RedisStore | undefined
  let closed = false
  const capabilities: BrokerCapabilities = {
    driverType: 'redis',
    durable: true,
    confirms: true,
    queuesOnPublish: true,
    ordered: true,
    startCount: 'starts',
    exchanges: { direct: true, topic: true, fanout: true, headers: false },
    eventExchangeType: 'fanout',
    remoteControl: true,
    priorities: { order: 'low-first', levels: settings.prioritySteps.length },
    lease: settings.ackEmulation ? { renewable: true } : null,
    settleAcrossConnections: settings.ackEmulation,
    nativeDelay: null,
    mandatory: true,
    messageTtl: false,
    // proto-max-bulk-len of a server with default settings.
    maxMessageBytes: 512 * 1024 * 1024,
    requeuePosition: 'back',
    parking: 'atomic',
    wakeUp: 'push',
    queueSize: 'exact',
    carries: { messages: true, chordParts: true },
  }
  const broker = defineBroker({
    name: 'redis',
    packageName,
    capabilities,
    describe: () => settings.server.description,
    async connect({ signal, onNotice }) {
      if (closed) throw closedBroker()
      const endpoint = await findEndpoint(settings.server, settings.prefix, {
        family: brokerFailures,
        signal,
      })
      const connection = await RedisBrokerConnection.open(
        {
          settings,
          keys,
          endpoint,
          onNotice,
          store: () => settledStore,
          orphans,
          onClosed: (one) => connections.delete(one),
        },
        signal,
      )
      connections.add(connection)
      if (closed) {
        await connection.close()
        throw closedBroker()
      }
      return connection
    },
    settlesWith(backend) {
      const store = redisStore(backend)
      // A copy of this package that is older does not say how it counts chords.
      if (store?.recordCall === undefined || store.server !== serverName(settings.server)) return false
      settledStore = store
      return true
    },
    async close() {
      closed = true
      await Promise.all([...connections].map((connection) => connection.close()))
    },
  })
  brandBroker(broker, settings)
  return broker
}

function closedBroker(): ClosedError {
  return new ClosedError('This Redis broker is closed; make a new one with redisBroker()')
}
