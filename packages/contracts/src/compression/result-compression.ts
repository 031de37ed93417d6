import { Buffer } from 'node:buffer'
import { DecodeError } from '../errors.ts'
import type { CompressorRegistry } from './compressor-registry.ts'

/**
 * `result_compression` (celery/backends/base.py 5.7): byte 0, `celery-compressed`, byte 0, content type, byte 0, compressed document. No serializer begins
 * its output with a zero byte, so readers go by the marker and need no setting.
 */
const magic = Buffer.from('\0celery-compressed\0', 'latin1')

/** Compresses a stored result, group document or chord part. Errors: `CT_SERIALIZER`, `CT_ENCODE`. */
export function compressResult(bytes: Uint8Array, name: string, compressors: CompressorRegistry): Uint8Array {
  const { body, compression } = compressors.compress(bytes, name)
  return Buffer.concat([magic, Buffer.from(compression + '\0', 'latin1'), body])
}

export function isCompressedResult(bytes: Uint8Array): boolean {
  return bytes[0] === 0 && bytes.length >= magic.length && magic.equals(bytes.subarray(0, magic.length))
}

/** Undoes {@link compressResult}; what has no marker comes back as it is. Error: `CT_DECODE`. */
export function decompressResult(
  bytes: Uint8Array,
  compressors: CompressorRegistry,
  maxBytes: number,
): Uint8Array {
  if (!isCompressedResult(bytes)) return bytes
  const end = bytes.indexOf(0, magic.length)
  if (end < 0)
    throw new DecodeError('a compressed result does not say how it is compressed', {
      details: { reason: 'compression' },
    })
  const name = Buffer.from(bytes.subarray(magic.length, end)).toString('latin1')
  return compressors.decompress(bytes.subarray(end + 1), name, maxBytes)
}
