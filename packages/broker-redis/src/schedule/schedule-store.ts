import { ClosedError, defineScheduleStore, type ScheduleStore } from '@ct/contracts'
import { findEndpoint } from '../connection/endpoint.ts'
import { backendFailures } from '../connection/failure.ts'
import type { BrokerSettings } from '../options/broker-options.ts'
import { scheduleSettings, type RedisScheduleStoreOptions } from '../options/schedule-options.ts'
import { packageName } from '../package-name.ts'
import { brokerSettingsOf, serverName } from '../same-server.ts'
import { RedisScheduleConnection } from './connection.ts'

/**
 * Periodic entries in Redis, for several beats of which one leads. With a broker in the same database an entry fires in one
 * step: the task is sent and the entry marked as run, or neither. Error: `CT_CONFIGURATION`.
 */
export function redisScheduleStore(options: RedisScheduleStoreOptions = {}): ScheduleStore {
  const settings = scheduleSettings(options as Readonly<Record<string, unknown>>)
  const connections = new Set<RedisScheduleConnection>()
  let broker: BrokerSettings | undefined
  let closed = false
  return defineScheduleStore({
    name: 'redis',
    packageName,
    capabilities: { durable: true, election: true, changes: true },
    describe: () => settings.server.description,
    async connect({ signal, onNotice }) {
      if (closed) throw closedStore()
      const endpoint = await findEndpoint(settings.server, settings.prefix, {
        family: backendFailures,
        signal,
      })
      const connection = await RedisScheduleConnection.open(
        { settings, endpoint, onNotice, broker: () => broker, onClosed: (one) => connections.delete(one) },
        signal,
      )
      connections.add(connection)
      if (closed) {
        await connection.close()
        throw closedStore()
      }
      return connection
    },
    firesWith(candidate) {
      const found = brokerSettingsOf(candidate)
      if (found === undefined || serverName(found.server) !== serverName(settings.server)) return false
      broker = found
      return true
    },
    async close() {
      closed = true
      await Promise.all([...connections].map((connection) => connection.close()))
    },
  })
}

function closedStore(): ClosedError {
  return new ClosedError('This Redis schedule store is closed; make a new one with redisScheduleStore()')
}
