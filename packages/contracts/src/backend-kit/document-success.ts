/** Whether a stored result document, whose serializer we do not know, says SUCCESS. */
import { Buffer } from 'node:buffer'
import { isCeleryError } from '../errors.ts'
import { decodeJson } from '../serialization/index.ts'

/**
 * Celery writes `status` first, so the head of the document decides almost always. JSON in another order is read in full; YAML has
 * the field on a line of its own. A compressed document (D57-25) is opened by `decompress`, where given.
 */
export function documentIsSuccess(
  document: Uint8Array,
  decompress?: (document: Uint8Array) => Uint8Array,
): boolean {
  const bytes = Buffer.from(document.buffer, document.byteOffset, document.byteLength)
  if (bytes[0] === 0x00 && decompress !== undefined) {
    const plain = opened(document, decompress)
    return plain !== undefined && documentIsSuccess(plain)
  }
  if (bytes[0] === 0x7b) {
    if (/^\{\s*"status"\s*:\s*"/.test(bytes.toString('latin1', 0, 64))) {
      return /^\{\s*"status"\s*:\s*"SUCCESS"/.test(bytes.toString('latin1', 0, 64))
    }
    return jsonIsSuccess(bytes)
  }
  // msgpack and pickle write the length before a text: one byte, or four with pickle's protocol 2.
  if (/status[^]{0,4}?(?:[\xa7\x07]|\x07\0\0\0)SUCCESS/.test(bytes.toString('latin1', 0, 64))) return true
  return /(?:^|\n)status: SUCCESS\r?(?:\n|$)/.test(bytes.toString('latin1'))
}

/** Undefined: this process cannot open it. */
function opened(
  document: Uint8Array,
  decompress: (document: Uint8Array) => Uint8Array,
): Uint8Array | undefined {
  try {
    return decompress(document)
  } catch (error) {
    if (!isCeleryError(error)) throw error
    return undefined
  }
}

function jsonIsSuccess(bytes: Buffer): boolean {
  try {
    const document = decodeJson(bytes.toString('utf8'))
    return (
      typeof document === 'object' &&
      document !== null &&
      'status' in document &&
      document.status === 'SUCCESS'
    )
  } catch (error) {
    if (!isCeleryError(error)) throw error
    return false
  }
}
