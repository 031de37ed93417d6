import { ClosedError, defineBroker, type Broker, type BrokerCapabilities } from '@ct/contracts'
import { abortableConnect, Endpoints } from '../connection/endpoints.ts'
import { Link } from '../connection/link.ts'
import { brokerSettings, type AmqpBrokerOptions } from '../options/broker-options.ts'
import { packageName } from '../package-name.ts'
import { AmqpBrokerConnection } from './connection.ts'
import { maxDelaySeconds } from './delayed-delivery.ts'

/**
 * RabbitMQ (3.8 or later) over AMQP 0-9-1, as kombu's `pyamqp` uses it; Python peers share queues, events and remote control.
 * Error: `CT_CONFIGURATION`.
 *
 * @example createApp({ broker: amqpBroker({ url: 'amqp://user:password@rabbit-1//;amqp://user:password@rabbit-2//' }) })
 */
export function amqpBroker(options: AmqpBrokerOptions = {}): Broker {
  const settings = brokerSettings(options as Readonly<Record<string, unknown>>)
  const endpoints = new Endpoints(settings)
  const connections = new Set<AmqpBrokerConnection>()
  const attempts = new Set<Promise<unknown>>()
  let closed = false
  const capabilities: BrokerCapabilities = {
    driverType: 'amqp',
    durable: true,
    confirms: settings.confirms,
    queuesOnPublish: false,
    ordered: true,
    startCount: 'starts',
    marksUnstarted: true,
    exchanges: { direct: true, topic: true, fanout: true, headers: true },
    eventExchangeType: 'topic',
    remoteControl: true,
    // As many as a queue's x-max-priority says; a queue without it has one.
    priorities: { order: 'high-first', levels: 256 },
    // Held for as long as the channel lives.
    lease: null,
    settleAcrossConnections: false,
    nativeDelay:
      settings.delay === undefined
        ? null
        : {
            maxMs: maxDelaySeconds * 1000,
            stepMs: 1000,
            ...(settings.delay.required ? {} : { onlyWith: 'quorum-queues' as const }),
          },
    maxHoldMs: settings.maxHoldMs,
    mandatory: settings.confirms,
    messageTtl: true,
    // RabbitMQ's max_message_size: 128 MiB in 3.8 to 3.13, 16 MiB from 4.0.
    maxMessageBytes: settings.maxMessageSize,
    requeuePosition: 'front',
    parking: 'two-step',
    wakeUp: 'push',
    queueSize: 'exact',
  }
  return defineBroker({
    name: 'amqp',
    packageName,
    capabilities,
    describe: () => settings.description,
    async connect({ signal, onNotice }) {
      if (closed) throw closedBroker()
      const attempt = endpoints.connect(signal)
      attempts.add(attempt)
      void attempt.catch(() => undefined).then(() => attempts.delete(attempt))
      const { model, server } = await abortableConnect(attempt, signal, ({ model: late }) => {
        late.on('error', () => undefined)
        void late.close().catch(() => undefined)
      })
      const link = new Link(model, server, onNotice)
      const connection = new AmqpBrokerConnection(link, settings, onNotice, (one) => connections.delete(one))
      connections.add(connection)
      try {
        if (closed) throw closedBroker()
        await connection.prepare()
      } catch (error) {
        await connection.close()
        throw error
      }
      return connection
    },
    settlesWith: () => false,
    async close() {
      closed = true
      await Promise.allSettled(attempts)
      // A connect that has just got its socket registers it before it looks at `closed`.
      await new Promise((resolve) => setImmediate(resolve))
      await Promise.all([...connections].map((connection) => connection.close()))
    },
  })
}

function closedBroker(): ClosedError {
  return new ClosedError('This AMQP broker is closed; make a new one with amqpBroker()')
}
