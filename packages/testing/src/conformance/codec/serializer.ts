/** Conformance suite of the Serializer contract: one test or more for each of its duties 1…5. */
import assert from 'node:assert/strict'
import { isCeleryError, type Serializer } from '@ct/contracts'
import { chooseRunner, type TestRunner } from '../runner.ts'
import { garbage } from './garbage.ts'

export interface SerializerConformanceOptions {
  /** Values that must come back as they were. Default: what JSON can say. */
  readonly values?: readonly unknown[]
  /** Values that cannot be encoded. Default: a function, a symbol, an object that contains itself. */
  readonly unencodable?: readonly unknown[]
  /** The serializer carries tables, so names such as `__proto__` may come in. Default true. */
  readonly tables?: boolean
  /** How many broken inputs to try. Default 3,000; a nightly run may take more. */
  readonly rounds?: number
  readonly seed?: number
  readonly runner?: TestRunner
}

const plainValues: readonly unknown[] = [
  null,
  true,
  false,
  0,
  -1,
  2.5,
  '',
  'text',
  'ünï\u{1f600}\u0000\n"\\',
  [],
  {},
  [[1, 2], {}, { callbacks: null, errbacks: null, chain: null, chord: null }],
  { nested: { deep: [1, [2, [3, { a: 'b' }]]] }, 'k.e y': null },
]

export function serializerConformance(
  name: string,
  makeSerializer: () => Serializer,
  options: SerializerConformanceOptions = {},
): void {
  const { describe, it } = chooseRunner(options.runner)
  const values = options.values ?? plainValues
  const itself: Record<string, unknown> = {}
  itself['itself'] = [itself]
  const unencodable = options.unencodable ?? [() => 1, Symbol('s'), itself, [{ deep: () => 1 }]]

  describe(`${name}: serializer conformance`, () => {
    it('Serializer 1: values come back as they were, and what encode returned does not change', async () => {
      const serializer = makeSerializer()
      const encoded = values.map((value) => serializer.encode(value))
      const copies = encoded.map((bytes) => Uint8Array.from(bytes))
      for (const value of values) serializer.encode(value)
      for (const [index, bytes] of encoded.entries()) {
        assert.ok(Buffer.from(bytes).equals(copies[index]!))
        assert.deepEqual(serializer.decode(bytes), values[index])
      }
      assert.match(serializer.contentType, /^[\w.+-]+\/[\w.+-]+$/)
      assert.ok(['utf-8', 'binary'].includes(serializer.contentEncoding))
    })

    it('Serializer 2: what cannot be represented is a CT_ENCODE, and nothing else is thrown', async () => {
      const serializer = makeSerializer()
      for (const value of unencodable) {
        assert.throws(
          () => serializer.encode(value),
          (error) => isCeleryError(error) && error.code === 'CT_ENCODE',
          `${typeof value} should not be encodable`,
        )
      }
    })

    it('Serializer 2: encode does not change its input', async () => {
      const serializer = makeSerializer()
      for (const value of values) {
        const before = structuredClone(value)
        serializer.encode(value)
        assert.deepEqual(value, before)
      }
    })

    it(`Serializer 3: any bytes are decoded or refused with CT_DECODE, quickly`, async () => {
      const serializer = makeSerializer()
      const samples = values.map((value) => serializer.encode(value))
      const nesting = ['[', '{"a":', '\x91', '(', '\x81\xa1a'].map((open) =>
        Buffer.from(open.repeat(50_000), 'latin1'),
      )
      for (const bytes of [...nesting, ...garbage(samples, options.rounds ?? 3_000, options.seed ?? 1)]) {
        const started = performance.now()
        try {
          serializer.decode(bytes)
        } catch (error) {
          const input = Buffer.from(bytes.subarray(0, 80)).toString('hex')
          assert.ok(isCeleryError(error) && error.code === 'CT_DECODE', `${input}: ${String(error)}`)
        }
        assert.ok(performance.now() - started < 2_000, 'took too long')
      }
    })

    if (options.tables !== false) {
      it('Serializer 4: __proto__, constructor and their like are data', async () => {
        const serializer = makeSerializer()
        const hostile = JSON.parse(
          '{"__proto__": {"polluted": 1}, "constructor": {"prototype": 2}, "toString": 3}',
        ) as object
        const decoded = serializer.decode(serializer.encode(hostile)) as Record<string, unknown>
        assert.ok(Object.hasOwn(decoded, '__proto__'))
        assert.ok(Object.hasOwn(decoded, 'constructor'))
        assert.equal(decoded['polluted'], undefined)
        assert.equal(({} as Record<string, unknown>)['polluted'], undefined)
        assert.equal(decoded['toString'], 3)
      })
    }

    it('Serializer 5: no call depends on the one before', async () => {
      const serializer = makeSerializer()
      const first = values.map((value) => Buffer.from(serializer.encode(value)).toString('hex'))
      try {
        serializer.decode(Uint8Array.of(0xff, 0xfe, 0x00))
      } catch {
        // That it may throw is duty 3's affair.
      }
      for (const value of unencodable) assert.throws(() => serializer.encode(value))
      assert.deepEqual(
        values.map((value) => Buffer.from(serializer.encode(value)).toString('hex')),
        first,
      )
    })
  })
}
