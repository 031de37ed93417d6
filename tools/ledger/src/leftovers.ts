/** What lies in Redis when everything is done: nothing but results and what is documented. */
import type { PrivateRedis } from '@ct-tools/services'

export interface Leftovers {
  /** What is still to be worked, one line each. */
  readonly open: readonly string[]
  /** Keys that nobody documents. */
  readonly stray: readonly string[]
  /** Documented keys by kind. */
  readonly documented: ReadonlyMap<string, number>
}

/** Keys that may be there at the end, and why. */
const documented: readonly (readonly [kind: string, pattern: RegExp, needsTtl: boolean])[] = [
  ['results', /^celery-task-meta-/, true],
  ['groups of chords whose parts are gone', /^celery-taskset-meta-[\w-]+$/, true],
  // Taken back by the sweep after the end of a chord: there may be none before the last worker stops.
  ['notes on chords that were open for a sweep', /^celery-taskset-meta-ct\.open$/, true],
  ['marks of finished chords', /^celery-taskset-meta-[\w-]+\.c$/, true],
  // The size is written before the members are sent: a producer that is killed in between, or a broker that takes some of them, leaves it. What
  // was confirmed and did not end is found by the journals.
  ['chords that were sent in part, or not at all', /^celery-taskset-meta-[\w-]+\.[jstd]$/, true],
  ['bindings', /^_kombu\.binding(?:_permanent)?\./, false],
  ['replies to askers that lost their connection', /\.reply\.celery\.pidbox$/, true],
  ['deadlines of bindings', /^_kombu\.binding_deadlines$/, false],
  // Of a worker that was killed while it restored: nobody needs to wait for it.
  ['locks of the restorer', /^unacked_mutex$/, true],
]

/** What only Python peers leave behind: they forget no counts of starts, and give replies no time to live. */
const documentedOfPython: typeof documented = [
  ['counts of starts of messages that Python settled', /^ct\.starts$/, true],
  ['replies to askers that lost their connection', /\.reply\.celery\.pidbox$/, false],
]

export async function openWork(redis: PrivateRedis, queues: readonly string[]): Promise<string[]> {
  const open: string[] = []
  for (const queue of queues) {
    for (const list of [queue, ...[3, 6, 9].map((step) => `${queue}\u0006\u0016${step}`)]) {
      const length = Number(await redis.command('LLEN', list))
      if (length > 0) open.push(`${length} in ${JSON.stringify(list)}`)
    }
  }
  for (const [key, command] of [
    ['unacked', 'HLEN'],
    ['unacked_index', 'ZCARD'],
  ] as const) {
    const length = Number(await redis.command(command, key))
    if (length > 0) open.push(`${length} in ${key}`)
  }
  return open
}

export async function findLeftovers(
  redis: PrivateRedis,
  queues: readonly string[],
  withPython: boolean,
): Promise<Leftovers> {
  const known = [...(withPython ? documentedOfPython : []), ...documented]
  const stray: string[] = []
  const counts = new Map<string, number>()
  let cursor = '0'
  do {
    const [next, keys] = (await redis.command('SCAN', cursor, 'COUNT', 1000)) as [string, string[]]
    cursor = next
    for (const key of keys) {
      const match = known.find(([, pattern]) => pattern.test(key))
      if (match === undefined) {
        const [type, ttl] = [await redis.command('TYPE', key), await redis.command('TTL', key)]
        stray.push(`${JSON.stringify(key)} (${String(type)}${Number(ttl) < 0 ? ', for ever' : `, ${ttl} s`})`)
      } else {
        counts.set(match[0], (counts.get(match[0]) ?? 0) + 1)
        if (match[2] && Number(await redis.command('TTL', key)) < 0) stray.push(`${key} does not expire`)
      }
    }
  } while (cursor !== '0')
  return { open: await openWork(redis, queues), stray: [...new Set(stray)], documented: counts }
}

export interface ResultCheck {
  /** Tasks whose stored result is not what they returned, one line each. */
  readonly wrong: readonly string[]
  /**
   * Tasks whose SUCCESS a Python worker wrote RETRY over. It publishes the retry before it stores RETRY, and looks for a SUCCESS in one step and
   * writes in another (`_store_result`, celery/backends/base.py 5.7); when Redis is away between them, the retry has ended meanwhile.
   */
  readonly retryOverSuccess: number
}

export async function checkResults(
  redis: PrivateRedis,
  results: ReadonlyMap<string, string>,
): Promise<ResultCheck> {
  const wrong: string[] = []
  let retryOverSuccess = 0
  const entries = [...results]
  for (let at = 0; at < entries.length; at += 500) {
    const some = entries.slice(at, at + 500)
    const stored = (await redis.command('MGET', ...some.map(([id]) => `celery-task-meta-${id}`))) as (
      | string
      | null
    )[]
    some.forEach(([id, value], n) => {
      const text = stored[n] ?? null
      const meta = text === null ? undefined : (JSON.parse(text) as StoredMeta)
      if (meta?.status === 'SUCCESS' && meta.result === value) return
      if (meta?.status === 'RETRY' && meta.traceback?.includes('celery/app/trace.py') === true) {
        retryOverSuccess += 1
        return
      }
      wrong.push(
        `${value} (${id}) ended, and its result is ${text === null ? 'not stored' : text.slice(0, 300)}`,
      )
    })
  }
  return { wrong, retryOverSuccess }
}

interface StoredMeta {
  readonly status?: string
  readonly result?: unknown
  readonly traceback?: string | null
}
