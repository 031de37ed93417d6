import { describe, expect, it } from 'vitest'
import { caught, fixtures } from '../../test/fixtures.ts'
import { DecodeError, EncodeError } from '../errors.ts'
import {
  createJsonSerializer,
  decodeJson,
  encodeJson,
  encodeJsonBytes,
  float,
  isRawJson,
  jsonHook,
  jsonSerializer,
  PyDate,
  PyDateTime,
  PyDecimal,
  PyTime,
  PyUuid,
  RawJson,
  resolveRawJson,
} from './index.ts'

function codeOf(action: () => unknown): { code: unknown; reason: unknown; path: unknown } {
  const error = caught(action, EncodeError, DecodeError)
  return { code: error?.code, reason: error?.details['reason'], path: error?.details['path'] }
}

describe('JSON beside kombu 5.7', () => {
  it('SEC-3 WIRE-58, PAIN-60: what kombu wrote is read and written again byte for byte', () => {
    for (const text of fixtures.json_exact) expect(encodeJson(decodeJson(text))).toBe(text)
    for (const text of fixtures.json_random_floats) expect(encodeJson(decodeJson(text))).toBe(text)
  })

  it('SEC-26: a float that is whole keeps its point when it is marked', () => {
    for (const [text, repr] of fixtures.json_floats) {
      expect(encodeJson(float(Number(text)))).toBe(text)
      expect(String(float(Number(text)))).toBe(repr)
    }
    expect(encodeJson({ x: float(1), y: 1 })).toBe('{"x": 1.0, "y": 1}')
    expect(Number(float(2)) + 1).toBe(3)
  })

  it('accepts exactly the texts that kombu accepts', () => {
    for (const [text, accepted] of fixtures.json_validity) {
      const mine = caught(() => decodeJson(text), DecodeError) === undefined
      expect([text, mine]).toEqual([text, accepted])
    }
  })
})

describe('decodeJson', () => {
  it('SEC-26: unsafe integers become bigint, safe ones and fractions stay numbers', () => {
    expect(decodeJson('[9007199254740991, 9007199254740992, -12345678901234567890]')).toEqual([
      9007199254740991,
      9007199254740992n,
      -12345678901234567890n,
    ])
    expect(decodeJson('[0.1234567890123456789, 1714557600123456, 1e20, 12345678901234567000.5]')).toEqual([
      0.12345678901234568, 1714557600123456, 1e20, 12345678901234567000,
    ])
    expect(decodeJson('9007199254740993')).toBe(9007199254740993n)
    expect(codeOf(() => decodeJson('1' + '0'.repeat(4300)))).toMatchObject({ code: 'CT_DECODE' })
    expect(decodeJson('1' + '0'.repeat(4299))).toBe(10n ** 4299n)
  })

  it('SEC-26: Python’s NaN and Infinity are read', () => {
    expect(decodeJson('[NaN, Infinity, -Infinity, {"a": NaN}]')).toEqual([
      NaN,
      Infinity,
      -Infinity,
      { a: NaN },
    ])
    expect(codeOf(() => decodeJson('[-NaN]'))).toMatchObject({ reason: 'json' })
  })

  it('finds envelopes and big integers wherever they stand, and however they are escaped', () => {
    for (let lead = 0; lead < 40; lead += 1) {
      const text = `"${'x'.repeat(lead)}"`
      expect(decodeJson(`[${text},12345678901234567]`)).toEqual(['x'.repeat(lead), 12345678901234567n])
      expect(decodeJson(`[${text},1234567890123456]`)).toEqual(['x'.repeat(lead), 1234567890123456])
    }
    for (const key of [
      '__type__',
      '\\u005f_type__',
      '__\\u0074ype__',
      '__t\\u0079pe__',
      '__ty\\u0070e__',
      '__typ\\u0065__',
      '__type_\\u005F',
    ]) {
      expect(decodeJson(`{"${key}": "date", "__value__": "2024-02-29"}`)).toEqual(new PyDate(2024, 2, 29))
    }
  })

  it('PAIN-60: SEC-15..21: envelopes become values', () => {
    const value = decodeJson(
      '[{"__type__":"datetime","__value__":"2024-05-01T12:00:00.123456+02:00"},{"__type__":"datetime","__value__":"2024-05-01T10:00:00"},' +
        '{"__type__":"date","__value__":"2024-05-01"},{"__type__":"time","__value__":"10:00:00.000001"},{"__type__":"decimal","__value__":"1.10"},' +
        '{"__type__":"uuid","__value__":{"hex":"41b1c75231fe4c53aa75cdc1a6582df5"}},{"__type__":"bytes","__value__":"h\\u00e9"},{"__type__":"base64","__value__":"/w=="}]',
    ) as unknown[]
    const [aware, naive, date, time, decimal, uuid, bytes, base64] = value
    expect(aware).toBeInstanceOf(Date)
    expect(aware).toMatchObject({ microsecond: 123456, offset: '+02:00' })
    expect((aware as Date).toISOString()).toBe('2024-05-01T10:00:00.123Z')
    expect(naive).toMatchObject({ offset: null })
    expect(String(date)).toBe('2024-05-01')
    expect(String(time)).toBe('10:00:00.000001')
    expect(String(decimal)).toBe('1.10')
    expect(String(uuid)).toBe('41b1c752-31fe-4c53-aa75-cdc1a6582df5')
    expect(bytes).toEqual(new TextEncoder().encode('hé'))
    expect(base64).toEqual(Uint8Array.of(255))
  })

  it('SEC-15: an unknown marker or a value that does not fit is an error, other objects are left alone', () => {
    for (const text of [
      '{"__type__":"nope","__value__":1}',
      '{"__type__":["x"],"__value__":1}',
      '{"__type__":"datetime","__value__":"soon"}',
      '{"__type__":"datetime","__value__":5}',
      '{"__type__":"uuid","__value__":"x"}',
      '{"__type__":"uuid","__value__":{"hex":"x"}}',
      '{"__type__":"base64","__value__":"abc"}',
      '{"__type__":"bytes","__value__":"\\ud800"}',
      '{"__type__":"decimal","__value__":"1,5"}',
      '{"__type__":"date","__value__":"2024-02-30"}',
      '{"__type__":"time","__value__":"24:00"}',
      '{"__type__":"constructor","__value__":1}',
    ]) {
      expect([text, codeOf(() => decodeJson(text)).code]).toEqual([text, 'CT_DECODE'])
    }
    expect(decodeJson('{"__type__":"nope","__value__":1,"more":2}')).toEqual({
      __type__: 'nope',
      __value__: 1,
      more: 2,
    })
    expect(decodeJson('{"__type__":"nope"}')).toEqual({ __type__: 'nope' })
  })

  it('__proto__, constructor and their like are data on every path', () => {
    for (const text of [
      '{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}}',
      '{"__proto__": {"polluted": 1}, "constructor": {"prototype": {"polluted": 1}}, "big": 12345678901234567890}',
    ]) {
      const value = decodeJson(text) as Record<string, unknown>
      expect(Object.getPrototypeOf(value)).toBe(Object.prototype)
      expect(Object.hasOwn(value, '__proto__')).toBe(true)
      expect(({} as Record<string, unknown>)['polluted']).toBeUndefined()
      expect(encodeJson(value)).toBe(text)
    }
  })

  it('bounds the depth without using up the stack', () => {
    const nested = (depth: number): string => '['.repeat(depth) + ']'.repeat(depth)
    expect(() => decodeJson(nested(1000))).not.toThrow()
    for (const depth of [1001, 5000, 1_000_000]) {
      expect(codeOf(() => decodeJson(nested(depth)))).toMatchObject({ code: 'CT_DECODE', reason: 'depth' })
    }
    expect(codeOf(() => decodeJson('['.repeat(1_000_000)))).toMatchObject({ code: 'CT_DECODE' })
    expect(codeOf(() => decodeJson('{"a":'.repeat(100_000)))).toMatchObject({ code: 'CT_DECODE' })
    // Brackets in strings are none.
    expect(decodeJson(JSON.stringify(['['.repeat(5000)]))).toEqual(['['.repeat(5000)])
    expect(codeOf(() => createJsonSerializer({ maxDepth: 2 }).decode(Buffer.from('[[[]]]')))).toMatchObject({
      reason: 'depth',
    })
  })

  it('says where it stopped', () => {
    expect(caught(() => decodeJson('{"a": 1, "b": nul}'), DecodeError)).toMatchObject({
      code: 'CT_DECODE',
      details: { reason: 'json', offset: 14 },
    })
  })

  it('refuses bytes that are not UTF-8, whatever encoding the message states', () => {
    expect(jsonSerializer.decode(Buffer.from('"hé"'))).toBe('hé')
    expect(codeOf(() => jsonSerializer.decode(Uint8Array.of(34, 0xc3, 34)))).toMatchObject({
      reason: 'utf-8',
    })
    expect(codeOf(() => jsonSerializer.decode(Buffer.from('\ufeff1')))).toMatchObject({ reason: 'json' })
  })
})

describe('encodeJson', () => {
  it('treats undefined as JSON.stringify does', () => {
    expect(encodeJson([undefined, { a: undefined, b: [undefined] }])).toBe('[null, {"b": [null]}]')
    expect(encodeJson(undefined)).toBe('null')
    expect(encodeJson({ a: undefined })).toBe('{}')
    expect(encodeJson(Object.assign(Array<unknown>(2), { 1: 1 }))).toBe('[null, 1]')
  })

  it('writes dates, bytes and bigints for Python', () => {
    expect(encodeJson(new Date('2024-05-01T10:00:00.123Z'))).toBe(
      '{"__type__": "datetime", "__value__": "2024-05-01T10:00:00.123000+00:00"}',
    )
    expect(encodeJson(new Date('2024-05-01T10:00:00Z'))).toBe(
      '{"__type__": "datetime", "__value__": "2024-05-01T10:00:00+00:00"}',
    )
    expect(encodeJson(Buffer.from('hé'))).toBe('{"__type__": "bytes", "__value__": "h\\u00e9"}')
    expect(encodeJson(Uint8Array.of(255, 0).subarray(0, 1))).toBe(
      '{"__type__": "base64", "__value__": "/w=="}',
    )
    expect(encodeJson(Uint8Array.of(65).buffer)).toBe('{"__type__": "bytes", "__value__": "A"}')
    expect(encodeJson(-(2n ** 70n))).toBe('-1180591620717411303424')
    expect(encodeJson([1e21, -0, 2 ** 53, 0.1])).toBe('[1e+21, -0.0, 9007199254740992.0, 0.1]')
  })

  it('a datetime that is changed is written as the Date it has become', () => {
    const time = new PyDateTime('2024-05-01T12:00:00.123456+02:00')
    expect(time.isoformat()).toBe('2024-05-01T12:00:00.123456+02:00')
    time.setUTCFullYear(2025)
    expect(encodeJson(time)).toBe('{"__type__": "datetime", "__value__": "2025-05-01T10:00:00.123000+00:00"}')
  })

  it('SEC-22: hooks give what is written instead', () => {
    class Point {
      x = 1;
      [jsonHook](): unknown {
        return { x: this.x }
      }
      toJSON(): unknown {
        return 'not asked'
      }
    }
    expect(encodeJson([new Point(), { toJSON: () => [1] }, new URL('http://h/')])).toBe(
      '[{"x": 1}, [1], "http://h/"]',
    )
    expect(encodeJson({ a: 1, toJSON: () => null })).toBe('null')
    expect(
      codeOf(() =>
        encodeJson({
          toJSON: () => {
            throw new Error('no')
          },
        }),
      ),
    ).toMatchObject({ reason: 'hook' })
    const endless = { toJSON: (): unknown => endless }
    expect(codeOf(() => encodeJson(endless))).toMatchObject({ reason: 'depth' })
  })

  it('writes other instances as their own properties', () => {
    class Pair {
      a = 1
      b = [2]
    }
    expect(encodeJson(new Pair())).toBe('{"a": 1, "b": [2]}')
    expect(encodeJson(Object.create(null, { a: { value: 1, enumerable: true } }))).toBe('{"a": 1}')
    expect(encodeJson([Object(1), Object('s'), Object(true)])).toBe('[1, "s", true]')
  })

  it('SEC-25: refuses what has no counterpart, and says where it is', () => {
    const cycle: Record<string, unknown> = {}
    cycle['self'] = cycle
    const cases: [unknown, string, string][] = [
      [{ a: [1, new Map()] }, 'type', 'a[1]'],
      [[new Set()], 'type', '[0]'],
      [{ f: () => 1 }, 'function', 'f'],
      [{ s: Symbol('s') }, 'symbol', 's'],
      [{ 'a b': { p: Promise.resolve() } }, 'type', '["a b"].p'],
      [{ g: (function* () {})() }, 'type', 'g'],
      [[(async function* () {})()], 'type', '[0]'],
      [[new Error('x')], 'type', '[0]'],
      [[/x/], 'type', '[0]'],
      [[new Float32Array(1)], 'type', '[0]'],
      [[new Date(NaN)], 'date', '[0]'],
      [{ __type__: 'nope', __value__: 1 }, 'marker', '__type__'],
      [[10n ** 4300n], 'integer', '[0]'],
    ]
    for (const [value, reason, path] of cases) {
      expect(codeOf(() => encodeJson(value))).toEqual({ code: 'CT_ENCODE', reason, path })
    }
    expect(codeOf(() => encodeJson(cycle))).toMatchObject({ code: 'CT_ENCODE', reason: 'depth' })
    expect(
      codeOf(() =>
        encodeJson(
          new Proxy(
            {},
            {
              ownKeys: () => {
                throw new Error('no')
              },
            },
          ),
        ),
      ),
    ).toMatchObject({ code: 'CT_ENCODE' })
  })

  it('SEC-15: data shaped like an envelope is one', () => {
    expect(decodeJson(encodeJson({ __type__: 'date', __value__: '2024-05-01' }))).toEqual(
      new PyDate(2024, 5, 1),
    )
  })

  it('SEC-26: NaN and Infinity are Python’s words, or an error where that is asked for', () => {
    expect(encodeJson([NaN, Infinity, -Infinity, float(NaN)])).toBe('[NaN, Infinity, -Infinity, NaN]')
    const strict = createJsonSerializer({ nonFinite: 'error' })
    for (const value of [NaN, Infinity, float(NaN), float(-Infinity)]) {
      expect(codeOf(() => strict.encode([value]))).toMatchObject({
        code: 'CT_ENCODE',
        reason: 'non-finite',
        path: '[0]',
      })
    }
    expect(strict.decode(Buffer.from('[NaN]'))).toEqual([NaN])
  })

  it('SEC-24: types of one’s own, with and without a marker', () => {
    class Money {
      readonly cents: number
      constructor(cents: number) {
        this.cents = cents
      }
    }
    const json = createJsonSerializer({
      types: [
        {
          marker: 'money',
          type: Money,
          encode: (m: Money) => m.cents,
          decode: (cents) => new Money(cents as number),
        },
      ],
    })
    expect(Buffer.from(json.encode([new Money(5)])).toString()).toBe(
      '[{"__type__": "money", "__value__": 5}]',
    )
    expect(json.decode(json.encode([new Money(5)]))).toEqual([new Money(5)])
    const oneWay = createJsonSerializer({
      types: [{ marker: null, type: Money, encode: (m: Money) => m.cents }],
    })
    expect(Buffer.from(oneWay.encode(new Money(5))).toString()).toBe('5')
    expect(() => createJsonSerializer({ nonfinite: 'error' } as never)).toThrow(/unknown JSON option/)
  })

  it('gives bytes that do not change later', () => {
    const first = encodeJsonBytes(['a'])
    encodeJsonBytes(['b'.repeat(1000)])
    expect(Buffer.from(first).toString()).toBe('["a"]')
  })
})

describe('RawJson', () => {
  it('is written verbatim, in ASCII', () => {
    expect(
      encodeJson({ a: RawJson.from('{"x":1.0,"n":12345678901234567890}'), b: RawJson.from(' "h\u00e9😀" ') }),
    ).toBe('{"a": {"x":1.0,"n":12345678901234567890}, "b": "h\\u00e9\\ud83d\\ude00"}')
    expect(encodeJson(RawJson.from('{"__type__": "unknown here", "__value__": NaN}'))).toBe(
      '{"__type__": "unknown here", "__value__": NaN}',
    )
  })

  it('takes nothing that is not JSON', () => {
    for (const text of ['', '[', '1 2', '{"a"}', "'a'", 'undefined', '[1,]']) {
      expect(codeOf(() => RawJson.from(text)).code).toBe('CT_DECODE')
    }
  })

  it('is decoded for serializers of other formats', () => {
    const plain = { a: [1, new Date(0)] }
    expect(resolveRawJson(plain)).toBe(plain)
    expect(resolveRawJson({ a: [RawJson.from('[1]'), 2], b: 3 })).toEqual({ a: [[1], 2], b: 3 })
    expect(isRawJson(RawJson.from('1'))).toBe(true)
    expect(JSON.stringify({ a: RawJson.from('[1]') })).toBe('{"a":[1]}')
  })
})

describe('value classes', () => {
  it('refuse what Python would refuse', () => {
    for (const make of [
      () => new PyDate(2023, 2, 29),
      () => new PyTime('25:00'),
      () => new PyDecimal(''),
      () => new PyDecimal('1_0'),
      () => new PyUuid('1234'),
      () => new PyDateTime('2024-13-01'),
    ]) {
      expect(make).toThrow(DecodeError)
    }
    expect(String(new PyUuid('{41B1C752-31fe-4c53-aa75-cdc1a6582df5}'))).toBe(
      '41b1c752-31fe-4c53-aa75-cdc1a6582df5',
    )
    expect(String(PyDate.parse('2024-05-01T10:00:00'))).toBe('2024-05-01')
  })
})
