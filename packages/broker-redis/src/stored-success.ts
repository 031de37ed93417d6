/**
 * Which stored documents say SUCCESS. The scripts know Celery's JSON by its first bytes; this is for all the rest: compressed ones (D57-25), msgpack,
 * yaml, pickle, and JSON in another key order.
 */
import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import zlib from 'node:zlib'
import type { ResultWrite } from '@ct/contracts'
import type { Link } from './connection/link.ts'

/** One document to write, as `scripts/store-result.ts` takes it. */
export interface StoreWrite {
  readonly key: string
  /** Milliseconds as text, '' for ever. */
  readonly ttl: string
  /** SHA-1 of the stored document that may be replaced, '' as long as nobody has looked. */
  readonly guard: string
  readonly document: Buffer
}

export function storeWrite(key: string, write: Pick<ResultWrite, 'document' | 'expiresInMs'>): StoreWrite {
  return { key, ttl: ttlText(write.expiresInMs), guard: '', document: asArgument(write.document) }
}

export function ttlText(expiresInMs: number | undefined): string {
  return expiresInMs === undefined ? '' : String(Math.max(1, Math.round(expiresInMs)))
}

/** The driver takes Buffers alone for bytes. */
export function asArgument(bytes: Uint8Array): Buffer {
  return Buffer.isBuffer(bytes) ? bytes : Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength)
}

/** Looks at what is stored: writes that would replace a SUCCESS are left out, the others get the guard that lets them through. */
export async function decideWrites(link: Link, writes: readonly StoreWrite[]): Promise<StoreWrite[]> {
  const stored = (await link.all(writes.map(({ key }) => ['get', key] as const))) as (Buffer | null)[]
  return writes.flatMap((write, index) => {
    const document = stored[index]
    if (document === null || document === undefined) return [{ ...write, guard: '' }]
    if (saysSuccess(document)) return []
    return [{ ...write, guard: createHash('sha1').update(document).digest('hex') }]
  })
}

const marker = Buffer.from('\0celery-compressed\0', 'latin1')
/** Enough for the status of any document that Celery or ct writes; yaml sorts its keys and puts it last. */
const mostInflated = 16 * 1024 * 1024

/** A document in a form that nobody here can read counts as no SUCCESS: better written twice than lost. */
export function saysSuccess(document: Buffer): boolean {
  const plain = inflate(document)
  if (plain === undefined) return false
  if (plain[0] === 0x7b) {
    try {
      return (JSON.parse(plain.toString()) as { status?: unknown }).status === 'SUCCESS'
    } catch {
      // Python's NaN, or something else than JSON; the pattern decides.
    }
  }
  // msgpack: status, length byte, SUCCESS; yaml: `status: SUCCESS`; pickle: opcodes between; JSON: quotes and colon.
  return /status[^A-Za-z]{1,8}SUCCESS/.test(plain.toString('latin1'))
}

function inflate(document: Buffer): Buffer | undefined {
  if (!document.subarray(0, marker.length).equals(marker)) return document
  const end = document.indexOf(0, marker.length)
  const data = document.subarray(end + 1)
  const options = { maxOutputLength: mostInflated }
  try {
    switch (document.toString('latin1', marker.length, end)) {
      case 'application/x-gzip':
        return zlib.inflateSync(data, options)
      case 'application/x-brotli':
        return zlib.brotliDecompressSync(data, options)
      case 'application/zstd':
        return zlib.zstdDecompressSync(data, options)
      default:
        return undefined
    }
  } catch {
    return undefined
  }
}
