import { ConfigurationError } from '@ct/contracts'
import { describe, expect, it } from 'vitest'
import { shares } from '../broker/shares.ts'
import { decodeTable, encodeTable } from '../connection/field-table.ts'
import { amqpBroker } from '../index.ts'
import { brokerSettings } from './broker-options.ts'

const where = (url: string): unknown => brokerSettings({ url }).addresses[0]

describe('AMQP URLs', () => {
  it('TRANS-3: host, port, user, password and virtual host, percent-decoded', () => {
    expect(where('amqp://us%40er:p%2Fw@rabbit:5673/my%2Fvhost')).toEqual({
      host: 'rabbit',
      port: 5673,
      ssl: false,
      username: 'us@er',
      password: 'p/w',
      virtualHost: 'my/vhost',
    })
  })

  it.each(['amqp://', 'amqp://localhost', 'pyamqp://localhost/', 'amqp://guest:guest@localhost:5672//'])(
    'TRANS-3: %s is the local server, guest, virtual host /',
    (url) => {
      expect(where(url)).toEqual({
        host: 'localhost',
        port: 5672,
        ssl: false,
        username: 'guest',
        password: 'guest',
        virtualHost: '/',
      })
    },
  )

  it('TRANS-3: amqps means TLS and its port; the query holds options', () => {
    expect(where('amqps://h/v?heartbeat=5')).toMatchObject({ ssl: true, port: 5671, virtualHost: 'v' })
    expect(brokerSettings({ url: 'amqp://h?heartbeat=5&login_method=external' })).toMatchObject({
      heartbeat: 5,
      loginMethod: 'EXTERNAL',
    })
  })

  it('TRANS-3, SEC-55, D57-16: several are a failover list; no password is ever printed', () => {
    const settings = brokerSettings({ url: 'amqp://a:secret@one//;amqps://b:hidden@two/x' })
    expect(settings.addresses.map(({ host, ssl }) => [host, ssl])).toEqual([
      ['one', false],
      ['two', true],
    ])
    expect(settings.description.url).toBe('amqp://a:**@one//;amqps://b:**@two/x')
    expect(settings.description.alternates).toEqual(['amqp://a:**@one:5672//', 'amqps://b:**@two:5671/x'])
    expect(() => brokerSettings({ url: 'amqq://a:secret@one' })).toThrow(ConfigurationError)
    expect(() => brokerSettings({ url: 'amqq://a:secret@one' })).not.toThrow(/secret/)
  })

  it('SET-35, SEC-50: broker_use_ssl with the names of Python’s ssl module', () => {
    const { tls } = brokerSettings({
      url: 'amqps://h',
      ssl: { caCerts: '/ca', certfile: '/c', keyfile: '/k', certReqs: 'CERT_NONE', serverHostname: 'x' },
      readTimeout: 3,
    })
    expect(tls).toEqual({
      sslCaCerts: '/ca',
      sslCertfile: '/c',
      sslKeyfile: '/k',
      sslCertReqs: 'none',
      tls: { servername: 'x' },
    })
    expect(brokerSettings({ url: 'amqp://h', ssl: true }).addresses[0]).toMatchObject({
      ssl: true,
      port: 5671,
    })
  })

  it('TRANS-2: unknown options are refused with a suggestion, wrong ones with what was expected', () => {
    expect(() => amqpBroker({ hartbeat: 3 } as object)).toThrow(/did you mean "heartbeat"/)
    expect(() => amqpBroker({ heartbeat: 'often' } as object)).toThrow(/a number/)
    expect(() => amqpBroker({ loginMethod: 'GSSAPI' } as object)).toThrow(/EXTERNAL/)
    // A server hangs up on these without a word.
    expect(() => amqpBroker({ frameMax: 1000 })).toThrow(/frameMax must be 4096/)
    expect(() => amqpBroker({ channelMax: -1 })).toThrow(/channelMax/)
    expect(() => amqpBroker({ maxMessageSize: 0 })).toThrow(/maxMessageSize/)
  })
})

describe('field tables', () => {
  it('WIRE-1, WIRE-11: integers are 32 or 64 bits, fractions doubles, markers of amqplib are data', () => {
    expect(encodeTable({ a: 1, b: 2 ** 31, c: 0.5, d: 10n, e: [1], f: undefined })).toEqual({
      a: { '!': 'int32', value: 1 },
      b: { '!': 'int64', value: 2 ** 31 },
      c: { '!': 'double', value: 0.5 },
      d: { '!': 'int64', value: 10n },
      e: [{ '!': 'int32', value: 1 }],
    })
    expect(encodeTable({ a: { '!': 'timestamp' } })).toEqual({
      a: { '!': 'object', value: { '!': 'timestamp' } },
    })
  })

  it('WIRE-1: what cannot be written says where it is', () => {
    expect(() => encodeTable({ a: { b: [1n << 64n] } })).toThrow(/a\.b\[0\]/)
    const circular: Record<string, unknown> = {}
    circular['self'] = circular
    expect(() => encodeTable(circular)).toThrow(/cyclic|nested/)
  })

  it('WIRE-1: moments and decimals are read; a table named __proto__ stays a name', () => {
    const read = { t: { '!': 'timestamp', value: 1 }, d: { '!': 'decimal', value: { places: 0, digits: 7 } } }
    expect(decodeTable(read)).toEqual({ t: new Date(1000), d: '7' })
    const odd = Object.setPrototypeOf({ id: 'x' }, { polluted: true }) as Record<string, unknown>
    const decoded = decodeTable(odd)
    expect(Object.keys(decoded)).toEqual(['__proto__', 'id'])
    expect(decoded['polluted']).toBeUndefined()
  })
})

describe('the budget', () => {
  it('WORK-61: is divided evenly, and nobody gets nothing', () => {
    expect(shares(10, [false, false, false])).toEqual([4, 3, 3])
    expect(shares(2, [false, false, false])).toEqual([1, 1, 1])
    expect(shares(Infinity, [true, false])).toEqual([Infinity, Infinity])
  })

  it('WORK-61: busy queues get what idle ones do not need', () => {
    expect(shares(40, [true, false, false, false])).toEqual([34, 2, 2, 2])
    expect(shares(3, [true, false, true])).toEqual([1, 1, 1])
  })
})
