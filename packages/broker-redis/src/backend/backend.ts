import { ClosedError, defineResultBackend, type ResultBackend } from '@ct/contracts'
import { findEndpoint } from '../connection/endpoint.ts'
import { backendFailures } from '../connection/failure.ts'
import { backendSettings, type RedisBackendOptions } from '../options/backend-options.ts'
import { packageName } from '../package-name.ts'
import { brandStore, serverName } from '../same-server.ts'
import { maxDocumentBytes, RedisBackendConnection } from './connection.ts'
import { recordCall } from './chord-part.ts'
import { ResultKeys } from './keys.ts'

/**
 * Results in Redis, in Celery's layout: Python's `AsyncResult` reads them, and chords may mix workers of both. Error: `CT_CONFIGURATION`.
 *
 * @example createApp({ broker: redisBroker({ url }), backend: redisBackend({ url }) })
 */
export function redisBackend(options: RedisBackendOptions = {}): ResultBackend {
  const settings = backendSettings(options as Readonly<Record<string, unknown>>)
  const keys = new ResultKeys(settings.prefix)
  const connections = new Set<RedisBackendConnection>()
  let closed = false
  const backend = defineResultBackend({
    name: 'redis',
    packageName,
    capabilities: {
      driverType: 'redis',
      durable: true,
      autoExpire: true,
      format: 'document',
      subscribe: 'push',
      readers: 'anyone',
      groups: true,
      chord: 'native',
      compression: true,
      failureExpires: true,
      maxDocumentBytes,
    },
    describe: () => settings.server.description,
    async connect({ signal, onNotice }) {
      if (closed) throw closedBackend()
      const endpoint = await findEndpoint(settings.server, settings.prefix, {
        family: backendFailures,
        signal,
      })
      const connection = await RedisBackendConnection.open(
        { settings, keys, endpoint, onNotice, onClosed: (one) => connections.delete(one) },
        signal,
      )
      connections.add(connection)
      if (closed) {
        await connection.close()
        throw closedBackend()
      }
      return connection
    },
    async close() {
      closed = true
      await Promise.all([...connections].map((connection) => connection.close()))
    },
  })
  brandStore(backend, {
    server: serverName(settings.server),
    resultKey: (taskId) => keys.task(taskId),
    recordCall: (part) => recordCall(keys, settings.chordOrdered, part),
  })
  return backend
}

function closedBackend(): ClosedError {
  return new ClosedError('This Redis result backend is closed; make a new one with redisBackend()')
}
