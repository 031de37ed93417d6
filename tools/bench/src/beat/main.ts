/**
 * Beat with many entries: how long it takes to start, what a turn costs that fires nothing, what it holds in memory, and how late a due entry is.
 *
 *   node --expose-gc --conditions=@ct/source tools/bench/src/beat/main.ts [entries] [redis]
 *
 * With `redis` store and broker are one Redis, started for it, and entries are added by another connection; else the store is a file.
 */
import { mkdtempSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createApp, crontab, fileScheduleStore, type BeatSchedule, type SentFiring } from '@ct/core'
import { startPrivateRedis } from '@ct-tools/services'

const count = Number(process.argv[2] ?? 100_000)
const redis = process.argv[3] === 'redis' ? await startPrivateRedis() : undefined
const folder = mkdtempSync(join(tmpdir(), 'ct-bench-beat-'))
const gc = (): void => (globalThis as { gc?: () => void }).gc?.()

function entries(): BeatSchedule {
  const all: Record<string, BeatSchedule[string]> = {}
  for (let index = 0; index < count; index++) {
    // Of many kinds, none due while it is measured: the first hours of a day half a year from now.
    const month = ((new Date().getMonth() + 6) % 12) + 1
    all[`entry ${index}`] = {
      task: `proj.task_${index % 500}`,
      schedule:
        index % 4 === 0
          ? 86_400 + index
          : crontab({
              minute: index % 60,
              hour: index % 24,
              dayOfMonth: (index % 28) + 1,
              monthOfYear: month,
              ...(index % 3 === 0 ? { timezone: 'Europe/Berlin' } : {}),
            }),
      args: [index, 'argument'],
    }
  }
  return all
}

const percentile = (values: readonly number[], share: number): number =>
  values.toSorted((a, b) => a - b)[Math.min(values.length - 1, Math.floor(values.length * share))]!

async function measure(): Promise<void> {
  const path = join(folder, 'schedule')
  const app = createApp({ name: 'bench', broker: redis?.url ?? 'memory://bench', environment: {} })
  // Somebody else's, where there can be somebody else.
  const others = redis === undefined ? undefined : app.periodicTasks({ store: redis.url })
  const schedule = entries()
  gc()
  const before = process.memoryUsage()

  // The first start writes all entries; the second one finds them.
  const starts: number[] = []
  const work: number[] = []
  for (let round = 0; round < 2; round++) {
    const began = performance.now()
    const cpu = process.cpuUsage()
    const beat = app.beat({ store: redis?.url ?? fileScheduleStore({ path }), entries: schedule })
    await beat.start()
    starts.push(performance.now() - began)
    const { user, system } = process.cpuUsage(cpu)
    work.push((user + system) / 1e6)
    if (round === 0) {
      await beat.stop()
      continue
    }
    gc()
    const after = process.memoryUsage()
    console.log(`entries                ${beat.size}`)
    console.log(
      `first start            ${(starts[0]! / 1000).toFixed(2)} s, ${work[0]!.toFixed(2)} s of CPU (entries are written)`,
    )
    console.log(`start                  ${(starts[1]! / 1000).toFixed(2)} s, ${work[1]!.toFixed(2)} s of CPU`)
    console.log(
      `memory                 ${((after.heapUsed - before.heapUsed) / 2 ** 20).toFixed(0)} MB of heap, ${(after.rss / 2 ** 20).toFixed(0)} MB in all`,
    )

    // Turns that fire nothing: woken on purpose, as by a change of somebody else's.
    const turns: number[] = []
    for (let turn = 0; turn < 200; turn++) turns.push(await beat.measureTurn())
    console.log(
      `turn, nothing due      ${percentile(turns, 0.5).toFixed(3)} ms, ${percentile(turns, 0.99).toFixed(3)} ms at the 99th percentile`,
    )

    // One entry that is due each 100 ms among all the others.
    const late: number[] = []
    let enough = Promise.withResolvers<void>()
    beat.on('sent', ({ lateMs }: SentFiring) => {
      late.push(lateMs)
      if (late.length === 100) enough.resolve()
    })
    const tell = (what: string): void =>
      console.log(
        `${what.padEnd(23)}${percentile(late, 0.5).toFixed(1)} ms, ${percentile(late, 0.95).toFixed(1)} ms at the 95th percentile, at most ${Math.max(...late).toFixed(1)} ms of ${late.length}`,
      )
    const probed = performance.now()
    await (others ?? beat.tasks).add('probe', { task: 'proj.probe', schedule: 0.1 })
    while (beat.size === count) await new Promise<void>((resolve) => setImmediate(resolve))
    console.log(`an entry more          ${(performance.now() - probed).toFixed(1)} ms until it is planned`)
    late.length = 0
    await enough.promise
    tell('lateness')

    // The same while entries are added, as fast as it goes.
    enough = Promise.withResolvers<void>()
    late.length = 0
    const end = new AbortController()
    let added = 0
    const adding = (async () => {
      while (!end.signal.aborted)
        await (others ?? beat.tasks).add(`more ${added++}`, { task: 'proj.more', schedule: 86_400 })
    })()
    await enough.promise
    end.abort()
    await adding
    tell(`with ${added} added`)
    await beat.stop()
  }
  await others?.close()
  await app.close()
}

try {
  await measure()
} finally {
  rmSync(folder, { recursive: true })
  await redis?.[Symbol.asyncDispose]()
}
