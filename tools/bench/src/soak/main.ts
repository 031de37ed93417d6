/**
 * Soaks workers: `pnpm --filter @ct-tools/bench soak --pool async --minutes 10 [--out folder]`; without `--pool` all four, one after the other.
 * Prints a line a sample and a verdict, writes `soak-<pool>.svg` and `.json` where `--out` says. Exit code 1: a heap that grows, or handles left.
 */
import { mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { startPrivateRedis } from '@ct-tools/services'
import { drawSoak } from './draw-soak.ts'
import { faults } from './faults.ts'
import { soak, type SoakOptions } from './soak.ts'

const { values } = parseArgs({
  options: {
    pool: { type: 'string', multiple: true },
    minutes: { type: 'string', default: '10' },
    slots: { type: 'string', default: '2' },
    out: { type: 'string' },
  },
})
const known = ['async', 'solo', 'threads', 'processes'] as const
const pools = values.pool ?? known
for (const pool of pools)
  if (!(known as readonly string[]).includes(pool))
    throw new RangeError(`There is no pool "${pool}" to soak.`)
const minutes = Number(values.minutes)
if (!(minutes > 0)) throw new RangeError(`--minutes ${values.minutes} is no length of time.`)
/** Enough for a slope and for a line; samples of less than a second say little. */
const samples = Math.min(120, Math.max(6, Math.floor(minutes * 60)))

for (const pool of pools) {
  const redis = await startPrivateRedis({ args: ['--save', ''] })
  try {
    const report = await soak({
      pool: pool as SoakOptions['pool'],
      redis: redis.url,
      slots: Number(values.slots),
      warmUp: 3000,
      samples,
      tasksPerSample: 1,
      msPerSample: (minutes * 60_000) / samples,
      onSample: (sample) => console.log(pool, JSON.stringify(sample)),
    })
    const found = faults(report)
    console.log(found.length === 0 ? `${pool}: flat` : `${pool}: ${found.join('; ')}`)
    if (found.length > 0) process.exitCode = 1
    if (values.out !== undefined) {
      mkdirSync(values.out, { recursive: true })
      writeFileSync(join(values.out, `soak-${pool}.svg`), drawSoak(report))
      writeFileSync(join(values.out, `soak-${pool}.json`), `${JSON.stringify(report)}\n`)
    }
  } finally {
    await redis.stop()
  }
}
