/**
 * Pools of threads and processes: `pnpm --filter @ct-tools/bench bench:pools [--rounds 3] [--tasks 20000]`. Rounds are interleaved; figures are
 * medians. Prints Markdown for docs/benchmarks.md.
 */
import { parseArgs } from 'node:util'
import { fileURLToPath } from 'node:url'
import { startPrivateRedis } from '@ct-tools/services'
import { runChild } from '../child.ts'
import { celery } from '../contestants/celery.ts'
import { ct } from '../contestants/ct.ts'
import { median } from '../statistics.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    tasks: { type: 'string', default: '20000' },
    // Enough that what the bare children have not is a small part: a worker that starts and stops, and its code when it is new (the first 1,500 tasks cost twice as much).
    hashes: { type: 'string', default: '6000' },
    only: { type: 'string' },
  },
})
const rounds = Number(values.rounds)
const tasks = Number(values.tasks)
const hashes = Number(values.hashes)
const slots = 2
/** About 5 ms each. */
const blocks = 120

const file = (name: string): string => fileURLToPath(new URL(name, import.meta.url))
const redis = await startPrivateRedis({ args: ['--save', ''] })
process.env['CT_BENCH_REDIS'] = redis.url
const figures = new Map<string, number[]>()
const note = (name: string, value: number): void => {
  figures.set(name, [...(figures.get(name) ?? []), value])
  console.error(`${name}: ${value.toFixed(value < 10 ? 2 : 1)}`)
}
const wanted = (name: string): boolean => values.only?.split(',').includes(name) ?? true

async function redisCpuSeconds(): Promise<number> {
  const info = String(await redis.command('INFO', 'cpu'))
  return ['user', 'sys'].reduce(
    (sum, kind) => sum + Number(new RegExp(`^used_cpu_${kind}:([\\d.]+)`, 'm').exec(info)?.[1]),
    0,
  )
}

async function queueHashes(): Promise<void> {
  const { app, hashing } = await import('./pool-tasks.ts')
  for (let n = 0; n < hashes; n += 200)
    await app.sendMany(Array.from({ length: Math.min(200, hashes - n) }, () => hashing.s(blocks)))
}

try {
  for (let round = 0; round < rounds; round += 1) {
    const rates = new Map<string, number>()
    if (wanted('drain')) {
      for (const pool of ['processes', 'threads', 'async']) {
        await redis.command('FLUSHALL')
        await ct.fill(redis.url, tasks)
        const { seconds, cpuSeconds } = await runChild<{ seconds: number; cpuSeconds: number }>(
          [pool, slots, tasks],
          file('work.ts'),
        )
        note(`drain ${pool}, tasks/s`, tasks / seconds)
        rates.set(pool, tasks / seconds)
        note(`CPU of the worker's own process ${pool}, µs`, (cpuSeconds * 1e6) / tasks)
      }
    }
    if (wanted('celery')) {
      await redis.command('FLUSHALL')
      const share = Math.max(1000, tasks / 5)
      await celery.fill(redis.url, share)
      const rate = share / (await celery.drain(redis.url, share, slots)).seconds
      note('drain Celery prefork, tasks/s', rate)
      const processes = rates.get('processes')
      if (processes !== undefined) note('drain processes, times Celery', processes / rate)
    }
    if (wanted('hash')) {
      const { seconds } = await runChild<{ seconds: number }>([slots, hashes, blocks], file('hash-alone.ts'))
      note('hash bare children, tasks/s', hashes / seconds)
      for (const pool of ['processes', 'threads']) {
        await redis.command('FLUSHALL')
        await queueHashes()
        const before = await redisCpuSeconds()
        const result = await runChild<{ seconds: number; cpuSeconds: number }>(
          [pool, slots, hashes],
          file('work.ts'),
        )
        note(`hash ${pool}, tasks/s`, hashes / result.seconds)
        note(`hash ${pool}, share of bare children`, seconds / result.seconds)
        note(`hash ${pool}, CPU of Redis, µs a task`, (((await redisCpuSeconds()) - before) * 1e6) / hashes)
        if (pool === 'processes')
          note("hash processes, CPU of the worker's own process, µs", (result.cpuSeconds * 1e6) / hashes)
      }
    }
    if (wanted('transfer')) {
      for (const pool of ['threads', 'processes']) {
        const { microseconds } = await runChild<{ microseconds: number }>([pool, 20_000], file('transfer.ts'))
        note(`transfer ${pool}, µs`, microseconds)
      }
    }
  }
} finally {
  const { app } = await import('./pool-tasks.ts')
  await app.close()
  await redis.stop()
}
console.log('| figure | median | range |\n|---|---:|---:|')
for (const [name, all] of figures) {
  const shown = (value: number): string =>
    value.toLocaleString('en', { maximumFractionDigits: value < 10 ? 2 : 1 })
  console.log(`| ${name} | ${shown(median(all))} | ${shown(Math.min(...all))} – ${shown(Math.max(...all))} |`)
}
