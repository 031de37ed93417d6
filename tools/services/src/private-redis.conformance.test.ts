import { existsSync } from 'node:fs'
import { expect, it } from 'vitest'
import { RedisConnection } from './redis-connection.ts'
import { startPrivateRedis } from './private-redis.ts'
import { startPrivateRedisTls } from './private-redis-tls.ts'
import { startRedisCluster } from './redis-cluster.ts'
import { startRedisSentinel } from './redis-sentinel.ts'

it('keeps its data over a crash with appendonly always, on the same port', async () => {
  await using server = await startPrivateRedis({ appendonly: 'always' })
  await server.command('SET', 'a', 'ä€')
  await server.kill()
  await server.start()
  expect(await server.command('GET', 'a')).toBe('ä€')
  await server.restart()
  expect(await server.command('GET', 'a')).toBe('ä€')
})

it('answers nothing while paused and everything afterwards', async () => {
  await using server = await startPrivateRedis()
  await server.command('PING')
  server.pause()
  const late = server.command('PING')
  const first = await Promise.race([late, new Promise((resolve) => setTimeout(resolve, 100, 'silence'))])
  expect(first).toBe('silence')
  server.resume()
  expect(await late).toBe('PONG')
})

it('can be disposed of while paused, and leaves no folder', async () => {
  const server = await startPrivateRedis()
  server.pause()
  await server[Symbol.asyncDispose]()
  expect(existsSync(server.folder)).toBe(false)
  expect(server.pid).toBeUndefined()
})

it('knows passwords, ACL users and its unix socket', async () => {
  const acl = [{ user: 'anna', password: 's3cret', rules: ['~ct*', '&*', '+@all'] }]
  await using server = await startPrivateRedis({ password: 'main', acl })
  expect(await server.command('ACL', 'WHOAMI')).toBe('default')
  using anna = await server.connect({ username: 'anna', password: 's3cret', socketPath: server.socketPath })
  expect(await anna.command('ACL', 'WHOAMI')).toBe('anna')
  await expect(anna.command('GET', 'other')).rejects.toThrow('NOPERM')
  using stranger = await RedisConnection.open({ port: server.port })
  await expect(stranger.command('PING')).rejects.toThrow('NOAUTH')
})

it('speaks TLS with a certificate of its own CA', async () => {
  await using secure = await startPrivateRedisTls()
  expect(secure.url).toMatch(/^rediss:\/\/localhost:/)
  expect(await secure.server.command('PING')).toBe('PONG')
  await expect(
    RedisConnection.open({ port: secure.server.port }).then((c) => c.command('PING')),
  ).rejects.toThrow()
})

it('fails over to the replica when the sentinels miss the master', async () => {
  await using group = await startRedisSentinel()
  const before = await group.master()
  await before.command('SET', 'kept', '1')
  await before.command('WAIT', 1, 2000)
  const after = await group.failover()
  expect(after).not.toBe(before)
  expect(await after.command('GET', 'kept')).toBe('1')
})

it('makes a cluster whose nodes share the slots', async () => {
  await using cluster = await startRedisCluster()
  expect(cluster.nodes).toHaveLength(3)
  for (const key of ['a', 'b', 'c', '{ct}x']) {
    const node = await cluster.nodeOf(key)
    expect(await node.command('SET', key, key)).toBe('OK')
    const other = cluster.nodes.find((one) => one !== node)
    await expect(other?.command('GET', key)).rejects.toThrow('MOVED')
  }
})
