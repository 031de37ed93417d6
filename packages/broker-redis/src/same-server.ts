/** How the broker recognises a result backend whose documents lie in its own database (capability of the pair, B25). */
import type { RedisServer } from './options/server-options.ts'

const storeBrand = Symbol.for('ct.redis.store')

export interface RedisStore {
  /** {@link serverName} of where the documents are. */
  readonly server: string
  resultKey(taskId: string): string
}

/** By name, not by address: two names of one server only cost the shortcut. */
export function serverName(server: RedisServer): string {
  const hosts = server.hosts.map(({ host, port }) => `${host}:${port}`).sort()
  return [server.kind, server.path ?? hosts.join(','), server.masterName ?? '', server.db].join('|')
}

/** The brand is a registered symbol, so that two copies of this package recognise each other's. */
export function brandStore(backend: object, store: RedisStore): void {
  Object.defineProperty(backend, storeBrand, { value: store })
}

export function redisStore(backend: object): RedisStore | undefined {
  return (backend as { [storeBrand]?: RedisStore })[storeBrand]
}
