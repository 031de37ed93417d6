/** Conformance suite of the Compressor contract: one test or more for each of its duties 1…4. */
import assert from 'node:assert/strict'
import { isCeleryError, type Compressor } from '@ct/contracts'
import { seededRandom } from '../../seeded-random.ts'
import { chooseRunner, type TestRunner } from '../runner.ts'
import { garbage } from './garbage.ts'

export interface CompressorConformanceOptions {
  /** What Python's kombu made of a text with this method: `{ plain, packed }`. Recorded, not computed. */
  readonly recorded?: readonly { readonly plain: Uint8Array; readonly packed: Uint8Array }[]
  /** How many broken inputs to try. Default 2,000. */
  readonly rounds?: number
  readonly seed?: number
  readonly runner?: TestRunner
}

const megabyte = 1_048_576

export function compressorConformance(
  name: string,
  makeCompressor: () => Compressor,
  options: CompressorConformanceOptions = {},
): void {
  const { describe, it } = chooseRunner(options.runner)
  const random = seededRandom(options.seed ?? 7)
  const samples = [
    new Uint8Array(0),
    Buffer.from('[[1, 2], {}, {"callbacks": null}]'),
    Buffer.from('ünï '.repeat(1_000)),
    Uint8Array.from({ length: 10_000 }, () => random.below(256)),
  ]

  describe(`${name}: compressor conformance`, () => {
    it('Compressor 1: what was compressed comes back; what Python compressed is read', async () => {
      const compressor = makeCompressor()
      for (const bytes of samples) {
        const back = compressor.decompress(compressor.compress(bytes), { maxBytes: megabyte })
        assert.ok(Buffer.from(back).equals(bytes))
      }
      for (const { plain, packed } of options.recorded ?? []) {
        assert.ok(Buffer.from(compressor.decompress(packed, { maxBytes: megabyte })).equals(plain))
      }
      assert.match(compressor.contentType, /^application\/[\w.+-]+$/)
      assert.ok(!compressor.aliases.includes(compressor.name))
    })

    it('Compressor 2: output beyond maxBytes is a CT_DECODE with reason "too-large"', async () => {
      const compressor = makeCompressor()
      const packed = compressor.compress(new Uint8Array(64 * megabyte))
      const before = process.memoryUsage().rss
      assert.throws(
        () => compressor.decompress(packed, { maxBytes: megabyte }),
        (error) =>
          isCeleryError(error) && error.code === 'CT_DECODE' && error.details['reason'] === 'too-large',
      )
      assert.ok(process.memoryUsage().rss - before < 48 * megabyte, 'allocated much more than allowed')
      const exact = compressor.compress(new Uint8Array(1_000))
      assert.equal(compressor.decompress(exact, { maxBytes: 1_000 }).byteLength, 1_000)
      assert.throws(() => compressor.decompress(exact, { maxBytes: 999 }))
    })

    it('Compressor 3: any other broken input is a CT_DECODE, and nothing else is thrown', async () => {
      const compressor = makeCompressor()
      const packed = samples.map((bytes) => compressor.compress(bytes))
      for (const bytes of garbage(packed, options.rounds ?? 2_000, options.seed ?? 1)) {
        try {
          assert.ok(compressor.decompress(bytes, { maxBytes: megabyte }).byteLength <= megabyte)
        } catch (error) {
          const input = Buffer.from(bytes.subarray(0, 80)).toString('hex')
          assert.ok(isCeleryError(error) && error.code === 'CT_DECODE', `${input}: ${String(error)}`)
        }
      }
    })

    it('Compressor 4: no call depends on the one before, and inputs are left alone', async () => {
      const compressor = makeCompressor()
      for (const bytes of samples) {
        const before = Uint8Array.from(bytes)
        const first = Uint8Array.from(compressor.compress(bytes))
        assert.throws(() => compressor.decompress(Uint8Array.of(1, 2, 3), { maxBytes: 10 }))
        assert.ok(Buffer.from(compressor.compress(bytes)).equals(first))
        assert.ok(Buffer.from(bytes).equals(before))
      }
    })
  })
}
