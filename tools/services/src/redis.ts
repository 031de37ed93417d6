import { SERVICE_PORTS } from './ports.ts'
import { RedisConnection } from './redis-connection.ts'
import { findProgram } from './run.ts'
import type { Service } from './service.ts'

/** So many databases that parallel test files each get their own; see `freshRedis`. */
const DATABASES = 1024

/** Redis without persistence: a stopped test server has nothing worth keeping. */
export const redis: Service = {
  name: 'redis',
  variable: 'CT_REDIS_URL',
  url: `redis://127.0.0.1:${SERVICE_PORTS.redis}/0`,
  packages: ['redis-server'],
  needsRoot: true,
  isInstalled: () => findProgram('redis-server', 'valkey-server') !== undefined,
  async prepare(folder) {
    const command = findProgram('redis-server', 'valkey-server') ?? 'redis-server'
    const settings = {
      port: SERVICE_PORTS.redis,
      bind: '127.0.0.1',
      databases: DATABASES,
      dir: folder,
      save: '',
      appendonly: 'no',
      daemonize: 'no',
      'repl-diskless-sync': 'yes',
    }
    const args = Object.entries(settings).flatMap(([name, value]) => [`--${name}`, String(value)])
    return [{ label: 'redis', command, args }]
  },
  async probe(url) {
    try {
      using connection = await RedisConnection.openUrl(url)
      return (await connection.command('PING')) === 'PONG'
    } catch {
      return false
    }
  },
  async wipe(url) {
    using connection = await RedisConnection.openUrl(url)
    await connection.command('FLUSHALL')
  },
}
