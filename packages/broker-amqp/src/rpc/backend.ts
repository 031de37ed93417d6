import { randomUUID } from 'node:crypto'
import { ClosedError, ConfigurationError, defineResultBackend, type ResultBackend } from '@ct/contracts'
import { abortableConnect, Endpoints } from '../connection/endpoints.ts'
import { Link } from '../connection/link.ts'
import { brokerSettings, type AmqpBrokerOptions } from '../options/broker-options.ts'
import { packageName } from '../package-name.ts'
import { backendFailure, RpcConnection } from './connection.ts'
import { ReceivedResults } from './received-results.ts'

export interface RpcBackendOptions extends Omit<
  AmqpBrokerOptions,
  | 'confirmPublish'
  | 'consumerTimeout'
  | 'nativeDelayedDelivery'
  | 'nativeDelayedDeliveryQueueType'
  | 'startsExpires'
> {
  /** Seconds after which an unused reply queue goes. Default 86,400. */
  readonly resultExpires?: number
  /** Result messages outlive a restart of the broker. Default false, as in Celery. */
  readonly resultPersistent?: boolean
  /** Content type and encoding of `resultSerializer`. Default those of JSON. */
  readonly contentType?: string
  readonly contentEncoding?: string
  /** Results kept in this process until they are asked for; the oldest go first, and asking for them throws `BacklogLimitExceeded`. Default 10,000. */
  readonly maxCached?: number
}

/**
 * Results as messages to whoever sent the task (`rpc://`, celery/backends/rpc.py 5.7): one reply queue per backend object, durable as 5.7 declares
 * it. Only this process can read them, groups and chords are not supported. Error: `CT_CONFIGURATION`.
 *
 * @example createApp({ broker: amqpBroker({ url }), backend: rpcBackend({ url }) })
 */
export function rpcBackend(options: RpcBackendOptions = {}): ResultBackend {
  const {
    resultExpires = 86_400,
    resultPersistent = false,
    contentType = 'application/json',
    contentEncoding = 'utf-8',
    maxCached = 10_000,
    ...rest
  } = options
  if (!(resultExpires > 0))
    throw new ConfigurationError('rpcBackend: resultExpires must be more than 0 seconds')
  const settings = brokerSettings(
    { connectionName: 'ct:rpc', ...rest, confirmPublish: true } as Readonly<Record<string, unknown>>,
    'rpcBackend',
  )
  const endpoints = new Endpoints(settings)
  const replyTo = randomUUID()
  // Outlives connections: what arrived before a reconnect is still ours.
  const received = new ReceivedResults(maxCached)
  const connections = new Set<RpcConnection>()
  const attempts = new Set<Promise<unknown>>()
  let closed = false
  return defineResultBackend({
    name: 'rpc',
    packageName,
    replyTo,
    capabilities: {
      driverType: 'rpc',
      durable: false,
      autoExpire: true,
      format: 'document',
      subscribe: 'push',
      readers: 'caller',
      groups: false,
      chord: 'none',
      compression: false,
      failureExpires: false,
      maxDocumentBytes: settings.maxMessageSize,
    },
    describe: () => ({ ...settings.description, transport: 'rpc' }),
    async connect({ signal, onNotice }) {
      if (closed) throw closedBackend()
      const attempt = endpoints.connect(signal)
      attempts.add(attempt)
      void attempt.catch(() => undefined).then(() => attempts.delete(attempt))
      let connection: RpcConnection | undefined
      try {
        const { model, server } = await abortableConnect(attempt, signal, ({ model: late }) => {
          late.on('error', () => undefined)
          void late.close().catch(() => undefined)
        })
        const link = new Link(model, server, (notice) =>
          onNotice('error' in notice ? { ...notice, error: backendFailure(notice.error) } : notice),
        )
        connection = new RpcConnection(
          link,
          settings,
          {
            replyTo,
            expiresMs: Math.ceil(resultExpires * 1000),
            resultPersistent,
            contentType,
            contentEncoding,
          },
          received,
          (one) => connections.delete(one),
        )
        connections.add(connection)
        if (closed) throw closedBackend()
        await connection.prepare()
        return connection
      } catch (error) {
        await connection?.close()
        throw backendFailure(error)
      }
    },
    async close() {
      closed = true
      await Promise.allSettled(attempts)
      // A connect that has just got its socket registers it before it looks at `closed`.
      await new Promise((resolve) => setImmediate(resolve))
      await Promise.all([...connections].map((connection) => connection.close()))
    },
  })
}

function closedBackend(): ClosedError {
  return new ClosedError('This RPC result backend is closed; make a new one with rpcBackend()')
}
