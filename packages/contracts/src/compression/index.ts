/** Room 5, second half: compression of bodies and results, bounded on the way back. */
export { CompressorRegistry } from './compressor-registry.ts'
export { brotliCompressor, zlibCompressor, zstdCompressor } from './node-compressors.ts'
export { compressResult, decompressResult, isCompressedResult } from './result-compression.ts'
