/** Tasks of the bench of pools: loaded by the worker and by its threads or children. */
import { createHash } from 'node:crypto'
import { redis } from '@ct/broker-redis'
import { createApp } from '@ct/core'
import { processes } from '@ct/pool-processes'
import { threads } from '@ct/pool-threads'

const url = process.env['CT_BENCH_REDIS'] ?? 'redis://localhost:1'

export const app = createApp({
  name: 'bench',
  adapters: [redis, threads, processes],
  broker: url,
  backend: url,
})

const block = Buffer.alloc(64 * 1024, 1)

/** About 5 ms of hashing on the machines we have; the same work everywhere. */
export function hash(blocks: number): string {
  const sha = createHash('sha256')
  for (let n = 0; n < blocks; n += 1) sha.update(block)
  return sha.digest('hex')
}

export const add = app.task('bench.add', (x: number, y: number) => x + y)
export const hashing = app.task('bench.hash', hash)
