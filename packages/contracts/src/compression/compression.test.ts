import zlib from 'node:zlib'
import { describe, expect, it } from 'vitest'
import { caught, fixtures, mutate, seeded } from '../../test/fixtures.ts'
import { CeleryError, DecodeError } from '../errors.ts'
import { CompressorRegistry, compressResult, decompressResult, isCompressedResult } from './index.ts'

const registry = new CompressorRegistry()
const plain = Buffer.from(fixtures.compression.plain)
const here = ['zlib', 'gzip', 'brotli', 'zstd']

function reasonOf(action: () => unknown): unknown {
  return caught(action, DecodeError)?.details['reason'] ?? 'none'
}

describe('compression beside kombu 5.7', () => {
  it.each(here)(
    'SEC-30 SEC-32 SEC-34: %s reads what Python wrote, and writes the same header and bytes',
    (name) => {
      const [header, base64] = fixtures.compression[name]!
      expect(registry.decompress(Buffer.from(base64, 'base64'), header, 10_000)).toEqual(plain)
      const { body, compression } = registry.compress(plain, name)
      expect(compression).toBe(header)
      expect(Buffer.from(body).toString('base64')).toBe(base64)
    },
  )

  it.each(['bzip2', 'lzma'])('SEC-31 SEC-33: %s is known, and the error names what to install', (name) => {
    const [header, base64] = fixtures.compression[name]!
    expect(() => registry.decompress(Buffer.from(base64, 'base64'), header, 1000)).toThrow(
      new RegExp(`@ct/compression-${name}`),
    )
    expect(() => registry.get(name)).toThrow(CeleryError)
    expect(() => registry.compress(plain, 'nope')).toThrow(/no compression named "nope"/)
  })

  it('D57-206 SEC-30: a gzip member is not what application/x-gzip means', () => {
    expect(reasonOf(() => registry.decompress(zlib.gzipSync(plain), 'application/x-gzip', 10_000))).toBe(
      'compression',
    )
  })

  it('D57-206: bytes after the data are ignored by zlib and an error for brotli and zstd', () => {
    for (const [name, expected] of [
      ['zlib', 'none'],
      ['brotli', 'compression'],
      ['zstd', 'compression'],
    ] as const) {
      const body = Buffer.concat([registry.compress(plain, name).body, Buffer.from('tail')])
      expect([name, reasonOf(() => registry.decompress(body, name, 10_000))]).toEqual([name, expected])
    }
  })

  it.each(['zlib', 'brotli', 'zstd'])('%s stops at maxBytes', (name) => {
    const bomb = registry.compress(Buffer.alloc(24 * 1024 * 1024), name).body
    const before = process.memoryUsage().arrayBuffers
    expect(reasonOf(() => registry.decompress(bomb, name, 1024 * 1024))).toBe('too-large')
    expect(process.memoryUsage().arrayBuffers - before).toBeLessThan(8 * 1024 * 1024)
    expect(registry.decompress(registry.compress(plain, name).body, name, plain.length)).toEqual(plain)
    expect(
      reasonOf(() => registry.decompress(registry.compress(plain, name).body, name, plain.length - 1)),
    ).toBe('too-large')
    expect(registry.decompress(registry.compress(Buffer.alloc(0), name).body, name, 0)).toHaveLength(0)
    expect(reasonOf(() => registry.decompress(registry.compress(Buffer.from('a'), name).body, name, 0))).toBe(
      'too-large',
    )
    expect(reasonOf(() => registry.decompress(plain, name, NaN))).toBe('compression')
  })

  it.each(['zlib', 'brotli', 'zstd'])('%s throws nothing but DecodeError on broken input', (name) => {
    const random = seeded(5)
    const good = Buffer.from(registry.compress(plain, name).body)
    for (let round = 0; round < 400; round += 1) {
      const bytes =
        round < 100 ? good.subarray(0, Math.floor(random() * good.length)) : mutate(good, random, 'abc\0')
      let length = 0
      caught(() => (length = registry.decompress(bytes, name, 10_000).length), DecodeError)
      expect(length).toBeLessThanOrEqual(10_000)
    }
  })

  it('zstd frames state their content size, which kombu 5.6 needs', () => {
    const frame = registry.compress(plain, 'zstd').body
    // Frame header descriptor: bits 6-7 and 5 tell whether a content size field is there (RFC 8878, 3.1.1.1).
    expect(frame[4]! & 0b1110_0000).not.toBe(0)
  })
})

describe('result compression', () => {
  it('D57-25 D57-26: the marker names the method, and readers go by it alone', () => {
    const stored = Buffer.from(compressResult(plain, 'gzip', registry))
    expect(stored.subarray(0, 19).toString('latin1')).toBe('\0celery-compressed\0')
    expect(stored.subarray(19, 38).toString('latin1')).toBe('application/x-gzip\0')
    expect(isCompressedResult(stored)).toBe(true)
    expect(decompressResult(stored, registry, 10_000)).toEqual(plain)
    expect(decompressResult(plain, registry, 1)).toBe(plain)
  })

  it('broken markers are DecodeErrors', () => {
    expect(reasonOf(() => decompressResult(Buffer.from('\0celery-compressed\0zlib'), registry, 10))).toBe(
      'compression',
    )
    expect(reasonOf(() => decompressResult(Buffer.from('\0celery-compressed\0nope\0x'), registry, 10))).toBe(
      'compression',
    )
    expect(reasonOf(() => decompressResult(compressResult(plain, 'zlib', registry), registry, 10))).toBe(
      'too-large',
    )
  })
})
