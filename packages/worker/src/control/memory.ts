/**
 * The answers to `memsample` and `memdump`: what Node and V8 know of the memory of this process. Each question takes a sample; `memdump`
 * shows the last ones, evenly chosen, and where the heap is used.
 */
import { getHeapSpaceStatistics, getHeapStatistics } from 'node:v8'
import { CommandError } from './command.ts'

interface Sample {
  /** Epoch ms. */
  readonly at: number
  readonly rss: number
  readonly heapUsed: number
  readonly heapTotal: number
  readonly external: number
}

const most = 1000
let samples: Sample[] = []

/** Resident size as text, such as `45.2MB`. */
export function sampleMemory(now: number): string {
  const { rss, heapUsed, heapTotal, external } = process.memoryUsage()
  samples.push({ at: now, rss, heapUsed, heapTotal, external })
  // Every other one goes, so that the beginning is remembered too.
  if (samples.length > most) samples = samples.filter((_one, index) => index % 2 === 0)
  return size(rss)
}

export function dumpMemory(now: number, count: unknown): string {
  if (typeof count !== 'number' || !Number.isSafeInteger(count) || count < 1)
    throw new CommandError('TypeError', 'samples must be a whole number from 1')
  sampleMemory(now)
  const { heap_size_limit: limit, malloced_memory: malloced } = getHeapStatistics()
  return [
    `- rss (${Math.min(count, samples.length)} of ${samples.length} samples): resident, heap used, heap, outside of it`,
    ...evenly(samples, count).map(
      ({ at, rss, heapUsed, heapTotal, external }) =>
        `${new Date(at).toISOString()}  ${[rss, heapUsed, heapTotal, external].map(size).join('  ')}`,
    ),
    `- heap: limit ${size(limit)}, malloced ${size(malloced)}`,
    ...getHeapSpaceStatistics().map(
      ({ space_name: name, space_used_size: used, space_size: all }) =>
        `${name}  ${size(used)} of ${size(all)}`,
    ),
  ].join('\n')
}

/** The first and the last among them. */
function evenly<T>(list: readonly T[], count: number): T[] {
  if (list.length <= count) return [...list]
  if (count === 1) return list.slice(-1)
  return Array.from(
    { length: count },
    (_none, index) => list[Math.round((index * (list.length - 1)) / (count - 1))]!,
  )
}

function size(bytes: number): string {
  const [unit, name] = bytes >= 2 ** 30 ? ([2 ** 30, 'GB'] as const) : ([2 ** 20, 'MB'] as const)
  return `${Math.round((bytes / unit) * 10) / 10}${name}`
}
