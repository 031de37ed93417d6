import { randomUUID } from 'node:crypto'
import { ensureServices } from './lifecycle.ts'
import { mariadbQuery } from './mariadb.ts'
import { postgresQuery } from './postgres.ts'
import { RabbitManagement } from './rabbitmq-management.ts'
import { RedisConnection } from './redis-connection.ts'

/** A corner of a shared server that nobody else uses meanwhile. */
export interface Fresh extends AsyncDisposable {
  url: string
  /** Empties it and gives it back. */
  release(): Promise<void>
}

export interface FreshRedis extends Fresh {
  db: number
  /** A new connection to this database. */
  connect(): Promise<RedisConnection>
}

export interface FreshVhost extends Fresh {
  vhost: string
  management: RabbitManagement
}

export interface FreshDatabase extends Fresh {
  database: string
}

/** Long enough for the longest test file; after that a database whose user died unreleased is given out again. */
const LEASE_SECONDS = 1800

/**
 * An empty database of the shared Redis, by its number; what needs a key prefix instead can take any prefix in it.
 * Numbers come from a counter and are held by a lease, both in database 0, so parallel test files never share one.
 * On a server that is not ours only databases that are empty are taken.
 */
export async function freshRedis(): Promise<FreshRedis> {
  const { redis: base } = await ensureServices(['redis'])
  const isOurs = !process.env['CT_REDIS_URL']
  using control = await RedisConnection.openUrl(base)
  const config = (await control.command('CONFIG', 'GET', 'databases')) as string[]
  const count = Number(config[1] ?? 16)
  const home = Number(new URL(base).pathname.slice(1) || 0)
  for (let tried = 0; tried < count; tried += 1) {
    const db = Number(await control.command('INCR', 'ct:services:last-db')) % count
    if (db === home) continue
    const lease = `ct:services:lease:${db}`
    const token = randomUUID()
    if ((await control.command('SET', lease, token, 'NX', 'EX', LEASE_SECONDS)) !== 'OK') continue
    const target = new URL(base)
    target.pathname = `/${db}`
    const url = target.href
    using connection = await RedisConnection.openUrl(url)
    if (!isOurs && (await connection.command('DBSIZE')) !== 0) {
      await control.command('DEL', lease)
      continue
    }
    await connection.command('FLUSHDB')
    const release = async (): Promise<void> => {
      using last = await RedisConnection.openUrl(url)
      await last.command('FLUSHDB')
      await last.command('SELECT', home)
      if ((await last.command('GET', lease)) === token) await last.command('DEL', lease)
    }
    return { url, db, connect: () => RedisConnection.openUrl(url), release, [Symbol.asyncDispose]: release }
  }
  throw new Error(`redis: all ${count} databases of ${base} are in use`)
}

/** A virtual host of the shared RabbitMQ. Releasing it closes its connections. */
export async function freshVhost(): Promise<FreshVhost> {
  const { rabbitmq: base } = await ensureServices(['rabbitmq'])
  const management = new RabbitManagement()
  const vhost = uniqueName()
  await management.createVhost(vhost)
  const url = new URL(base)
  url.pathname = `/${vhost}`
  const release = (): Promise<void> => management.deleteVhost(vhost)
  return { url: url.href, vhost, management, release, [Symbol.asyncDispose]: release }
}

/** A database of the shared PostgreSQL or MariaDB. */
export async function freshDatabase(server: 'postgres' | 'mariadb'): Promise<FreshDatabase> {
  const base = (await ensureServices([server]))[server]
  const query = server === 'postgres' ? postgresQuery : mariadbQuery
  const database = uniqueName()
  await query(base, `CREATE DATABASE ${database}`)
  const url = new URL(base)
  url.pathname = `/${database}`
  const release = async (): Promise<void> => {
    await query(base, `DROP DATABASE ${database}${server === 'postgres' ? ' WITH (FORCE)' : ''}`)
  }
  return { url: url.href, database, release, [Symbol.asyncDispose]: release }
}

function uniqueName(): string {
  return `ct_${randomUUID().replaceAll('-', '').slice(0, 16)}`
}
