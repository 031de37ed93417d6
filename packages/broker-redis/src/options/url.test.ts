import { isCeleryError } from '@ct/contracts'
import { maskUrl } from '@ct/contracts/broker-kit'
import { describe, expect, it } from 'vitest'
import { redisBackend, redisBroker, redisScheduleStore } from '../index.ts'
import { brokerSettings } from './broker-options.ts'
import { backendSettings } from './backend-options.ts'
import { resolveServer } from './server-options.ts'
import { parseRedisUrl } from './url.ts'

function failure(run: () => unknown): string {
  try {
    run()
  } catch (error) {
    if (isCeleryError(error) && error.code === 'CT_CONFIGURATION') return error.message
    throw error
  }
  throw new Error('nothing was thrown')
}

describe('TRANS-30: URLs', () => {
  it.each([
    ['redis://localhost', 'localhost', 6379, undefined],
    ['redis://:6380', 'localhost', 6380, undefined],
    ['redis://cache.example:6380/7', 'cache.example', 6380, 7],
    ['redis://host//7', 'host', 6379, 7],
    ['redis://host?db=3', 'host', 6379, 3],
    ['redis://[::1]:7000/1', '::1', 7000, 1],
    ['valkey://host/2', 'host', 6379, 2],
    ['rediss://host/2', 'host', 6379, 2],
  ])('%s', (url, host, port, db) => {
    const parsed = parseRedisUrl(url)
    expect(parsed.hosts).toEqual([{ host, port }])
    expect(parsed.db).toBe(db)
    expect(parsed.ssl).toBe(url.startsWith('rediss'))
  })

  it('without an address the options say where the server is', () => {
    expect(parseRedisUrl('redis://').hosts).toEqual([])
    const server = (options: object): unknown =>
      resolveServer('redisBackend', { url: 'redis://', ...options }).hosts
    expect(server({})).toEqual([{ host: 'localhost', port: 6379 }])
    expect(server({ host: 'h', port: 7 })).toEqual([{ host: 'h', port: 7 }])
  })

  it('SEC-55: user and password, however odd', () => {
    const of = (url: string): unknown[] => [parseRedisUrl(url).username, parseRedisUrl(url).password]
    expect(of('redis://:secret@host')).toEqual([undefined, 'secret'])
    expect(of('redis://user@host')).toEqual(['user', undefined])
    expect(of('redis://user:p%40ss%3A%2F@host')).toEqual(['user', 'p@ss:/'])
    expect(of('redis://user:p@ss@host/1')).toEqual(['user', 'p@ss'])
    expect(of('redis://user:100%@host')).toEqual(['user', '100%'])
  })

  it('unix sockets', () => {
    const parsed = parseRedisUrl('redis+socket://:pw@/run/redis.sock?virtual_host=4')
    expect([parsed.path, parsed.db, parsed.password, parsed.hosts]).toEqual(['/run/redis.sock', 4, 'pw', []])
    expect(parseRedisUrl('socket:///run/r.sock').path).toBe('/run/r.sock')
    expect(parseRedisUrl('unix:///run/r.sock?db=2').db).toBe(2)
  })

  it('TRANS-42, BACK-37: lists of sentinels; the first gives database and password', () => {
    const parsed = parseRedisUrl('sentinel://:pw@one:26380/2;sentinel://two;three:26381')
    expect(parsed.hosts).toEqual([
      { host: 'one', port: 26380 },
      { host: 'two', port: 26379 },
      { host: 'three', port: 26381 },
    ])
    expect([parsed.kind, parsed.db, parsed.password]).toEqual(['sentinel', 2, 'pw'])
    expect(parseRedisUrl('sentinel://one;sentinel://two/5').db).toBe(5)
  })

  it('wrong ones are refused without giving the password away', () => {
    for (const url of [
      '',
      'http://host',
      'redis:/host',
      'redis://u:secret@host:99999',
      'redis://u:secret@host/abc',
      'redis://h:x/0',
    ]) {
      const message = failure(() => redisBroker({ url }))
      expect(message).not.toContain('secret')
    }
    expect(failure(() => redisBroker({ url: 'redis://host/abc' }))).toContain('must be a number')
    expect(failure(() => redisBroker({ url: 'redis://one;redis://two' }))).toContain('sentinel://')
    expect(failure(() => redisBroker({ url: 'sentinel://one' }))).toContain('masterName')
  })

  it('SEC-55: are described with passwords masked', () => {
    expect(maskUrl('redis://user:p@ss@host:1/0')).toBe('redis://user:**@host:1/0')
    expect(maskUrl('redis://:pw@host')).toBe('redis://:**@host')
    expect(maskUrl('sentinel://:pw@a;sentinel://:pw@b/0?ssl_password=x&y=1')).toBe(
      'sentinel://:**@a;sentinel://:**@b/0?ssl_password=**&y=1',
    )
    expect(redisBroker({ host: 'h', password: 'pw', username: 'u', ssl: true }).describe()).toEqual({
      transport: 'rediss',
      hostname: 'h',
      port: 6379,
      userid: 'u',
      virtualHost: '0',
      ssl: true,
      url: 'rediss://u:**@h:6379/0',
    })
  })
})

describe('options', () => {
  it('TRANS-40, TRANS-33, TRANS-41, D57-120: defaults are kombu’s', () => {
    expect(brokerSettings({})).toMatchObject({
      visibilityTimeoutMs: 3_600_000,
      unackedKey: 'unacked',
      unackedIndexKey: 'unacked_index',
      unackedMutexKey: 'unacked_mutex',
      unackedMutexExpireMs: 300_000,
      restoreIntervalMs: 10_000,
      ackEmulation: true,
      sep: '\x06\x16',
      prioritySteps: [0, 3, 6, 9],
      fanoutPrefix: '/0.',
      fanoutPatterns: true,
      prefix: '',
      queueOrder: 'round_robin',
      server: { healthCheckMs: 25_000, db: 0 },
    })
  })

  it('unknown ones are refused with a suggestion', () => {
    const options = (one: object): never => one as never
    expect(failure(() => redisBroker(options({ visibilityTimout: 1 })))).toContain(
      'did you mean "visibilityTimeout"?',
    )
    expect(failure(() => redisBroker(options({ visibility_timeout: 1 })))).toContain(
      'did you mean "visibilityTimeout"?',
    )
    expect(failure(() => redisBackend(options({ globalKeyPrefix: 'x' })))).toContain(
      'did you mean "globalKeyprefix"?',
    )
    expect(failure(() => redisScheduleStore(options({ colour: 'x' })))).not.toContain('did you mean')
    expect(failure(() => redisBroker(options({ constructor: 1 })))).toContain('no option "constructor"')
    expect(failure(() => redisBroker(options({ url: 'redis://h?socket_timout=1' })))).toContain(
      'did you mean "socketTimeout"?',
    )
  })

  it('D57-120: of the wrong kind are refused by name', () => {
    for (const [name, value] of Object.entries({
      visibilityTimeout: 'soon',
      prioritySteps: [3, 6],
      fanoutPrefix: 'x',
      ackEmulation: 'maybe',
      queueOrderStrategy: 'random',
      port: -1,
      sslCertReqs: 'sometimes',
      credentialProvider: 'x',
      bodyEncoding: 'utf-8',
      db: 'x',
      maxConnections: true,
      healthCheckInterval: false,
    })) {
      const message = failure(() => redisBroker({ [name]: value } as never))
      expect(message).toMatch(name === 'db' ? /database/ : new RegExp(name))
    }
    expect(failure(() => redisBroker({ visibilityTimeout: 0 }))).toContain('visibilityTimeout')
  })

  it('BACK-30: the query of a URL wins, and its texts are converted', () => {
    const settings = brokerSettings({
      url: 'rediss://h/1?socket_timeout=3&ssl_cert_reqs=CERT_NONE&health_check_interval=7&visibility_timeout=60&fanout_patterns=false',
      socketTimeout: 9,
      sslCertReqs: 'required',
    })
    expect(settings.server).toMatchObject({
      socketTimeoutMs: 3000,
      healthCheckMs: 7000,
      tls: { sslCertReqs: 'none' },
    })
    expect([settings.visibilityTimeoutMs, settings.fanoutPatterns, settings.fanoutPrefix]).toEqual([
      60_000,
      false,
      '/1.',
    ])
  })

  it('TRANS-36, TRANS-37: fanout prefix', () => {
    expect(brokerSettings({ fanoutPrefix: false }).fanoutPrefix).toBe('')
    expect(brokerSettings({ fanoutPrefix: '/x.', globalKeyprefix: 'p:' }).fanoutPrefix).toBe('p:/x.')
    expect(
      brokerSettings({ url: 'sentinel://s', masterName: 'm', sentinelFanoutCompat: true }).fanoutCompat,
    ).toBe('/{db}.')
    expect(brokerSettings({ sentinelFanoutCompat: true }).fanoutCompat).toBeUndefined()
  })

  it('BACK-31: the result prefix gets an underscore unless it ends in a separator', () => {
    const prefixes = ['', 'pre', 'pre:', 'pre_', 'pre-', 'pre.'].map(
      (globalKeyprefix) => backendSettings({ globalKeyprefix }).prefix,
    )
    expect(prefixes).toEqual(['', 'pre_', 'pre:', 'pre_', 'pre-', 'pre.'])
  })

  it('B25: broker and backend recognise each other by server and database', () => {
    const broker = redisBroker({ url: 'redis://:pw@localhost:6379/1' })
    expect(broker.settlesWith(redisBackend({ url: 'redis://localhost/1' }))).toBe(true)
    expect(broker.settlesWith(redisBackend({ host: 'localhost', db: 1 }))).toBe(true)
    expect(broker.settlesWith(redisBackend({ url: 'redis://localhost/2' }))).toBe(false)
    expect(broker.settlesWith(redisBackend({ url: 'redis://other/1' }))).toBe(false)
    expect(redisScheduleStore({ host: 'localhost', db: 1 }).firesWith(broker)).toBe(true)
    expect(redisScheduleStore({ host: 'localhost' }).firesWith(broker)).toBe(false)
  })
})
