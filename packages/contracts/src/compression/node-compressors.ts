import zlib from 'node:zlib'
import type { Compressor } from '../compressor.ts'
import { DecodeError, EncodeError } from '../errors.ts'

/**
 * kombu's `zlib`, alias `gzip`, header `application/x-gzip`. The bytes are a *zlib* stream (RFC 1950), in spite of the name: a gzip member under that
 * header is an error in Python, and so it is here. Bytes after the stream are ignored, as in Python.
 */
export const zlibCompressor: Compressor = {
  name: 'zlib',
  aliases: ['gzip'],
  contentType: 'application/x-gzip',
  compress: (bytes) => guardCompress('zlib', () => zlib.deflateSync(bytes)),
  decompress: (bytes, { maxBytes }) =>
    // Node stops at the end of the stream and drops the rest by itself.
    guardDecompress('zlib', maxBytes, () =>
      zlib.inflateSync(bytes, { maxOutputLength: atLeastOne(maxBytes) }),
    ),
}

/** Header `application/x-brotli`, quality 11, window 22, like the Python package. Bytes after the stream are an error. */
export const brotliCompressor: Compressor = {
  name: 'brotli',
  aliases: [],
  contentType: 'application/x-brotli',
  compress: (bytes) =>
    guardCompress('brotli', () =>
      zlib.brotliCompressSync(bytes, { params: { [zlib.constants.BROTLI_PARAM_SIZE_HINT]: bytes.length } }),
    ),
  decompress: (bytes, { maxBytes }) =>
    guardDecompress('brotli', maxBytes, () =>
      whole(
        'brotli',
        bytes,
        zlib.brotliDecompressSync(bytes, { maxOutputLength: atLeastOne(maxBytes), info: true }),
      ),
    ),
}

/** Header `application/zstd`, level 3, with the content size in the frame, which kombu 5.6 needs. Bytes after the frame are an error. */
export const zstdCompressor: Compressor = {
  name: 'zstd',
  aliases: ['zstandard'],
  contentType: 'application/zstd',
  compress: (bytes) =>
    guardCompress('zstd', () =>
      zlib.zstdCompressSync(bytes, {
        pledgedSrcSize: bytes.length,
        params: { [zlib.constants.ZSTD_c_contentSizeFlag]: 1 },
      }),
    ),
  decompress: (bytes, { maxBytes }) =>
    guardDecompress('zstd', maxBytes, () =>
      whole(
        'zstd',
        bytes,
        zlib.zstdDecompressSync(bytes, { maxOutputLength: atLeastOne(maxBytes), info: true }),
      ),
    ),
}

/** `info: true` makes the sync functions answer with the engine, which knows how much of the input it used. */
function whole(name: string, input: Uint8Array, output: unknown): Uint8Array {
  const { buffer, engine } = output as { buffer: Uint8Array; engine: { bytesWritten: number } }
  if (engine.bytesWritten !== input.length) {
    throw new DecodeError(`${input.length - engine.bytesWritten} bytes follow the ${name} data`, {
      details: { reason: 'compression', compression: name },
    })
  }
  return buffer
}

/** zlib takes limits from 1; an empty result under a limit of 0 is checked by the caller. */
function atLeastOne(maxBytes: number): number {
  return Math.max(1, Math.min(maxBytes, 0x1_0000_0000))
}

function guardCompress(name: string, compress: () => Uint8Array): Uint8Array {
  try {
    return compress()
  } catch (cause) {
    throw new EncodeError(`${name} compression failed: ${String(cause)}`, {
      cause,
      details: { reason: 'compression' },
    })
  }
}

function guardDecompress(name: string, maxBytes: number, decompress: () => Uint8Array): Uint8Array {
  if (!(maxBytes >= 0))
    throw new DecodeError('maxBytes must be a number of bytes', { details: { reason: 'compression' } })
  let bytes: Uint8Array
  try {
    bytes = decompress()
  } catch (cause) {
    if (cause instanceof DecodeError) throw cause
    if ((cause as { code?: unknown }).code === 'ERR_BUFFER_TOO_LARGE') throw tooLarge(name, maxBytes)
    throw new DecodeError(`not ${name} data: ${cause instanceof Error ? cause.message : String(cause)}`, {
      cause,
      details: { reason: 'compression', compression: name },
    })
  }
  if (bytes.length > maxBytes) throw tooLarge(name, maxBytes)
  return bytes
}

function tooLarge(name: string, maxBytes: number): DecodeError {
  return new DecodeError(`the ${name} data decompresses to more than the ${maxBytes} bytes allowed`, {
    details: { reason: 'too-large', compression: name, maxBytes },
  })
}
