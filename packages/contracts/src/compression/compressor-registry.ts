import type { Compressor } from '../compressor.ts'
import { CeleryError, DecodeError, EncodeError } from '../errors.ts'
import { brotliCompressor, zlibCompressor, zstdCompressor } from './node-compressors.ts'

/** Methods of kombu that `node:zlib` lacks, by every name they have, with the package that brings them. */
const elsewhere: Readonly<Record<string, string>> = {
  bzip2: '@ct/compression-bzip2',
  bzip: '@ct/compression-bzip2',
  'application/x-bz2': '@ct/compression-bzip2',
  lzma: '@ct/compression-lzma',
  xz: '@ct/compression-lzma',
  'application/x-lzma': '@ct/compression-lzma',
}

/** The compression methods of one app (kombu/compression.py 5.7, without its global): `zlib`, `brotli` and `zstd` from the start. */
export class CompressorRegistry {
  readonly #byName = new Map<string, Compressor>()

  constructor(compressors: Iterable<Compressor> = []) {
    for (const compressor of [zlibCompressor, brotliCompressor, zstdCompressor, ...compressors])
      this.register(compressor)
  }

  register(compressor: Compressor): void {
    for (const name of [compressor.name, ...compressor.aliases, compressor.contentType])
      this.#byName.set(name, compressor)
  }

  has(name: string): boolean {
    return this.#byName.has(name)
  }

  /** All names, aliases and header values that {@link get} takes. */
  names(): string[] {
    return [...this.#byName.keys()]
  }

  /** By name, alias or header value. Error: `CT_SERIALIZER`, naming the package to install where one is known. */
  get(name: string): Compressor {
    const found = this.#byName.get(name)
    if (found !== undefined) return found
    throw new CeleryError('CT_SERIALIZER', this.#missing(name), {
      details: { compression: name.slice(0, 80) },
    })
  }

  /** Errors: `CT_SERIALIZER`, `CT_ENCODE`. Returns what the `compression` header must say with the bytes. */
  compress(bytes: Uint8Array, name: string): { readonly body: Uint8Array; readonly compression: string } {
    const compressor = this.get(name)
    try {
      return { body: compressor.compress(bytes), compression: compressor.contentType }
    } catch (cause) {
      if (cause instanceof CeleryError) throw cause
      throw new EncodeError(`${compressor.name} compression failed: ${String(cause)}`, {
        cause,
        details: { reason: 'compression' },
      })
    }
  }

  /** A method that is not registered is a `CT_DECODE` here, since a stranger's message asked for it. */
  decompress(bytes: Uint8Array, name: string, maxBytes: number): Uint8Array {
    const compressor = this.#byName.get(name)
    if (compressor === undefined) {
      throw new DecodeError(this.#missing(name), {
        details: { reason: 'compression', compression: name.slice(0, 80) },
      })
    }
    try {
      return compressor.decompress(bytes, { maxBytes })
    } catch (cause) {
      if (cause instanceof CeleryError) throw cause
      throw new DecodeError(`not ${compressor.name} data: ${String(cause)}`, {
        cause,
        details: { reason: 'compression' },
      })
    }
  }

  #missing(name: string): string {
    const provider = Object.hasOwn(elsewhere, name) ? elsewhere[name] : undefined
    if (provider !== undefined)
      return `the compression ${name} is not installed: npm i ${provider} and register it with the app`
    return `no compression named ${JSON.stringify(name.slice(0, 80))}; registered are ${this.names().join(', ')}`
  }
}
