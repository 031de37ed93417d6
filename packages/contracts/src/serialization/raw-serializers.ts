import { Buffer } from 'node:buffer'
import { EncodeError } from '../errors.ts'
import type { Serializer } from '../serializer.ts'
import { decodeUtf8 } from './json-decoder.ts'

/** kombu's `raw`: bytes as they are under `application/data`, always accepted. A text is sent as its UTF-8 bytes; bytes come back. */
export const rawSerializer: Serializer = {
  name: 'raw',
  contentType: 'application/data',
  contentEncoding: 'binary',
  encode(value: unknown): Uint8Array {
    if (value instanceof Uint8Array) return value
    if (typeof value === 'string') return Buffer.from(value, 'utf8')
    throw new EncodeError('the raw serializer takes bytes or a text', {
      details: { reason: 'type', path: '' },
    })
  },
  decode(bytes: Uint8Array): unknown {
    return bytes
  },
}

/** Plain text under `text/plain`, refused on reading unless listed in `accept_content`. */
export const textSerializer: Serializer = {
  name: 'text',
  contentType: 'text/plain',
  contentEncoding: 'utf-8',
  encode(value: unknown): Uint8Array {
    if (typeof value === 'string') return Buffer.from(value, 'utf8')
    throw new EncodeError('the text serializer takes a text', { details: { reason: 'type', path: '' } })
  },
  decode(bytes: Uint8Array): unknown {
    return decodeUtf8(bytes)
  },
}
