/**
 * How broker, result backend and schedule store recognise that they share a database (capabilities of pairs: B25, S6). The brands
 * are registered symbols, so that two copies of this package recognise each other's.
 */
import type { ChordPart } from '@ct/contracts'
import type { RecordCall } from './backend/chord-part.ts'
import type { BrokerSettings } from './options/broker-options.ts'
import type { RedisServer } from './options/server-options.ts'

const storeBrand = Symbol.for('ct.redis.store')

export interface RedisStore {
  /** {@link serverName} of where the documents are. */
  readonly server: string
  resultKey(taskId: string): string
  recordCall(part: ChordPart): RecordCall
}

/** By name, not by address: two names of one server only cost the shortcut. */
export function serverName(server: RedisServer): string {
  const hosts = server.hosts.map(({ host, port }) => `${host}:${port}`).sort()
  return [server.kind, server.path ?? hosts.join(','), server.masterName ?? '', server.db].join('|')
}

export function brandStore(backend: object, store: RedisStore): void {
  Object.defineProperty(backend, storeBrand, { value: store })
}

export function redisStore(backend: object): RedisStore | undefined {
  return (backend as { [storeBrand]?: RedisStore })[storeBrand]
}

const brokerBrand = Symbol.for('ct.redis.broker')

export function brandBroker(broker: object, settings: BrokerSettings): void {
  Object.defineProperty(broker, brokerBrand, { value: settings })
}

export function brokerSettingsOf(broker: object): BrokerSettings | undefined {
  return (broker as { [brokerBrand]?: BrokerSettings })[brokerBrand]
}
