import { afterEach, describe, expect, it, vi } from 'vitest'
import { freshDatabase, freshRedis, freshVhost } from './fresh.ts'
import { ensureServices, resetService, serviceStatus, serviceUrl, tryServices } from './lifecycle.ts'
import { mariadbQuery } from './mariadb.ts'
import { postgresQuery } from './postgres.ts'
import { startPrivateRedis } from './private-redis.ts'
import { SERVICE_NAMES } from './service.ts'

// What every run needs, and of the rest what is installed: those who need more say so in their own tests.
const present: Record<string, boolean> = {}
for (const name of SERVICE_NAMES) {
  const wanted = ['redis', 'rabbitmq'].includes(name) || (await serviceStatus(name)).state !== 'not installed'
  present[name] = wanted && (await tryServices([name])) !== undefined
}

for (const name of SERVICE_NAMES) {
  it.skipIf(!present[name])(`${name} answers where its URL says`, async () => {
    expect(await ensureServices([name])).toEqual({ [name]: serviceUrl(name) })
    expect(await serviceStatus(name)).toMatchObject({ name, state: 'answers', url: serviceUrl(name) })
  })
}

afterEach(() => {
  vi.unstubAllEnvs()
})

describe('a URL from the environment', () => {
  it('is used, and never emptied', async () => {
    await using own = await startPrivateRedis({ password: 'theirs' })
    vi.stubEnv('CT_REDIS_URL', own.url)
    expect(await ensureServices(['redis'])).toEqual({ redis: own.url })
    expect(await serviceStatus('redis')).toMatchObject({ origin: 'environment' })
    await expect(resetService('redis')).rejects.toMatchObject({ code: 'CT_SERVICE_FOREIGN' })
    await own.connect({ db: 2 }).then(async (connection) => {
      await connection.command('SET', 'theirs', '1')
      connection.close()
    })
    const taken: number[] = []
    for (let i = 0; i < 4; i += 1) taken.push((await freshRedis()).db)
    expect(taken).not.toContain(0)
    expect(taken).not.toContain(2)
  })

  it('is an error when nothing answers there, without its password', async () => {
    vi.stubEnv('CT_REDIS_URL', 'redis://:s3cret@127.0.0.1:1/0')
    const failure = ensureServices(['redis'])
    await expect(failure).rejects.toThrow(/CT_REDIS_URL is set, but nothing answers at redis:\/\/\*\*\*@127/)
  })
})

describe('fresh corners', () => {
  it.skipIf(!present['redis'])('redis: databases that nobody else has, empty', async () => {
    await using one = await freshRedis()
    await using two = await freshRedis()
    expect(one.db).not.toBe(two.db)
    using first = await one.connect()
    await first.command('SET', 'here', '1')
    using second = await two.connect()
    expect(await second.command('DBSIZE')).toBe(0)
    await one.release()
    expect(await first.command('DBSIZE')).toBe(0)
  })

  it.skipIf(!present['rabbitmq'])('rabbitmq: a virtual host, gone when released', async () => {
    const fresh = await freshVhost()
    const queue = `/queues/${fresh.vhost}/q`
    await fresh.management.call('PUT', queue, { durable: true })
    expect(await fresh.management.call('GET', queue)).toMatchObject({ name: 'q' })
    expect(await fresh.management.closeConnections(fresh.vhost)).toBe(0)
    await fresh.release()
    expect(await fresh.management.vhosts()).not.toContain(fresh.vhost)
  })

  it.skipIf(!present['postgres'])('postgres: a database', async () => {
    const fresh = await freshDatabase('postgres')
    const count = `SELECT count(*) FROM pg_database WHERE datname = '${fresh.database}'`
    expect((await postgresQuery(fresh.url, count)).trim()).toBe('1')
    await fresh.release()
    expect((await postgresQuery(fresh.url, count)).trim()).toBe('0')
  })

  it.skipIf(!present['mariadb'])('mariadb: a database', async () => {
    const fresh = await freshDatabase('mariadb')
    expect(await mariadbQuery(fresh.url, 'SHOW DATABASES')).toContain(fresh.database)
    await fresh.release()
    expect(await mariadbQuery(fresh.url, 'SHOW DATABASES')).not.toContain(fresh.database)
  })
})
