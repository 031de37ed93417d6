import {
  brotliCompressor,
  jsonSerializer,
  rawSerializer,
  textSerializer,
  zlibCompressor,
  zstdCompressor,
} from '@ct/contracts'
import { compressorConformance, serializerConformance } from '../src/conformance/index.ts'

serializerConformance('json', () => jsonSerializer)

serializerConformance('raw', () => rawSerializer, {
  values: [new Uint8Array(0), Uint8Array.of(0, 1, 255)],
  unencodable: [1, null, {}, Symbol('s')],
  tables: false,
})

serializerConformance('text', () => textSerializer, {
  values: ['', 'text', 'ünï\u{1f600}'],
  unencodable: [1, null, {}, Symbol('s')],
  tables: false,
})

compressorConformance('zlib', () => zlibCompressor, {
  // Made by Python 3: `zlib.compress(b'[[1, 2], {}, {}]')`.
  recorded: [
    {
      plain: Buffer.from('[[1, 2], {}, {}]'),
      packed: Buffer.from('789c8b8e36d451308ad551a8ae05e15800244204a8', 'hex'),
    },
  ],
})
compressorConformance('brotli', () => brotliCompressor)
compressorConformance('zstd', () => zstdCompressor)
