/**
 * Contract: Compressor. One compression method of kombu (kombu/compression.py 5.7).
 *
 * Duties
 * 1. `compress` writes the exact framing Python reads (`application/x-gzip` is a zlib stream, not a gzip member).
 * 2. `decompress` stops at `maxBytes` of output and throws `DecodeError` with `details.reason = 'too-large'`; it never
 *    allocates much more than that, whatever the input says about itself.
 * 3. Any other broken input is a `DecodeError`; nothing else is thrown.
 * 4. Both are synchronous and pure.
 */
export interface Compressor {
  /** Celery's name, e.g. `zlib`. */
  readonly name: string
  /** Other names that mean the same, e.g. `gzip`. */
  readonly aliases: readonly string[]
  /** What the `compression` header carries, e.g. `application/x-gzip`. */
  readonly contentType: string
  compress(bytes: Uint8Array): Uint8Array
  /** `maxBytes` is mandatory: there is no unbounded decompression in ct. */
  decompress(bytes: Uint8Array, options: { readonly maxBytes: number }): Uint8Array
}
