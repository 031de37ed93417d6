/** The body cannot be decoded: content type, content encoding, compression. */
import { Buffer } from 'node:buffer'
import zlib from 'node:zlib'
import { compressed, envelope, type MalformedMessage } from './sound-message.ts'

export const malformedEncodings: readonly MalformedMessage[] = [
  ...(
    [
      ['pickle', 'application/x-python-serialize'],
      ['yaml', 'application/x-yaml'],
      ['msgpack', 'application/x-msgpack'],
      ['text', 'text/plain'],
      ['nonsense', 'x'],
      ['constructor', 'constructor'],
    ] as const
  ).map(([name, type]) => ({
    name: `content type: ${name}`,
    envelope: envelope({ 'content-type': type }),
    reason: 'content-type',
  })),
  { name: 'content type: missing', envelope: envelope({ 'content-type': undefined }), reason: 'body-shape' },
  {
    name: 'content type: data',
    envelope: envelope({ 'content-type': 'application/data', 'content-encoding': 'binary' }),
    reason: 'body-shape',
  },
  { name: 'content type: number', envelope: envelope({ 'content-type': 5 }), reason: 'body-shape' },
  {
    name: 'content encoding: nonsense',
    envelope: envelope({ 'content-encoding': 'nonsense' }),
    reason: null,
  },
  {
    name: 'content encoding: of text that is none',
    envelope: envelope({ 'content-type': 'application/data', 'content-encoding': 'nonsense' }),
    reason: 'content-encoding',
  },
  {
    name: 'compression: gzip member',
    envelope: compressed('application/x-gzip', zlib.gzipSync('[[], {}, {}]')),
    reason: 'compression',
  },
  {
    name: 'compression: cut off',
    envelope: compressed('application/x-gzip', zlib.deflateSync('[[], {}, {}]').subarray(0, 8)),
    reason: 'compression',
  },
  {
    name: 'compression: zlib bomb',
    envelope: compressed('zlib', zlib.deflateSync(Buffer.alloc(4_000_000, 32))),
    reason: 'too-large',
  },
  {
    name: 'compression: zstd bomb',
    envelope: compressed('zstd', zlib.zstdCompressSync(Buffer.alloc(4_000_000, 32))),
    reason: 'too-large',
  },
  {
    name: 'compression: brotli bomb',
    envelope: compressed('brotli', zlib.brotliCompressSync(Buffer.alloc(4_000_000, 32))),
    reason: 'too-large',
  },
  {
    name: 'compression: bytes after the frame',
    envelope: compressed('zstd', Buffer.concat([zlib.zstdCompressSync('[[], {}, {}]'), Buffer.from('x')])),
    reason: 'compression',
  },
]
