/** Several beats as processes on one Redis: killed, stopped, cut off. Every firing is counted, in the queue and in the store. */
import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { startPrivateRedis, type PrivateRedis } from '@ct-tools/services'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'

const program = fileURLToPath(new URL('../../test/beat-process.ts', import.meta.url))
const entries = JSON.stringify({
  fast: { task: 'proj.fast', schedule: 0.1 },
  slow: { task: 'proj.slow', schedule: 0.7, options: { queue: 'other' } },
})
const leaseMs = 1500

class BeatProcess {
  readonly child: ChildProcess
  out = ''
  #heard: () => void = () => undefined

  constructor(broker: string, store: string) {
    this.child = spawn(
      process.execPath,
      ['--conditions=@ct/source', program, broker, store, String(leaseMs), entries],
      {
        stdio: ['ignore', 'pipe', 'inherit'],
      },
    )
    this.child.stdout!.on('data', (data: Buffer) => {
      this.out += String(data)
      this.#heard()
    })
  }

  get sent(): string[] {
    return [...this.out.matchAll(/^sent \S+ (\S+)/gm)].map(([, id]) => id!)
  }

  get state(): string | undefined {
    return [...this.out.matchAll(/^(leading|standby)$/gm)].at(-1)?.[1]
  }

  async until(check: () => boolean): Promise<void> {
    while (!check())
      await new Promise<void>((resolve) => {
        this.#heard = resolve
      })
  }

  /** Until it has sent so many more. */
  async more(count: number): Promise<void> {
    const before = this.sent.length
    await this.until(() => this.sent.length >= before + count)
  }

  async end(signal: NodeJS.Signals): Promise<void> {
    if (this.child.exitCode !== null || this.child.signalCode !== null) return
    const closed = once(this.child, 'close')
    this.child.kill(signal)
    if (signal !== 'SIGKILL') this.child.kill('SIGCONT')
    await closed
  }
}

let redis: PrivateRedis
let elsewhere: PrivateRedis
beforeAll(async () => {
  redis = await startPrivateRedis({ args: ['--appendonly', 'yes', '--appendfsync', 'always'] })
  elsewhere = await startPrivateRedis()
})
afterAll(async () => {
  await redis[Symbol.asyncDispose]()
  await elsewhere[Symbol.asyncDispose]()
})

let beats: BeatProcess[] = []
beforeEach(async () => {
  await redis.command('FLUSHALL')
  await elsewhere.command('FLUSHALL')
})
afterEach(async () => {
  await Promise.all(beats.map((beat) => beat.end('SIGKILL')))
})

/** Three of them, of which the first leads. */
async function three(
  broker = redis.url,
  store = redis.url,
): Promise<readonly [BeatProcess, BeatProcess, BeatProcess]> {
  const leader = new BeatProcess(broker, store)
  beats = [leader]
  await leader.until(() => leader.state === 'leading')
  const others = [new BeatProcess(broker, store), new BeatProcess(broker, store)] as const
  beats.push(...others)
  for (const other of others) await other.until(() => other.state === 'standby')
  await leader.more(3)
  return [leader, ...others]
}

async function nextLeader(candidates: readonly BeatProcess[]): Promise<BeatProcess> {
  const controller = new AbortController()
  const leader = await Promise.race(
    candidates.map(async (beat) => {
      await beat.until(() => beat.state === 'leading' || controller.signal.aborted)
      return beat
    }),
  )
  controller.abort()
  return leader
}

interface Fired {
  readonly id: string
  readonly name: string
  readonly at: number
}

async function fired(server = redis): Promise<Fired[]> {
  const all: Fired[] = []
  for (const queue of ['celery', 'other'])
    for (const text of (await server.command('LRANGE', queue, 0, -1)) as string[]) {
      const { headers } = JSON.parse(text) as { headers: Record<string, string> }
      all.push({
        id: headers['id']!,
        name: headers['periodic_task_name']!,
        at: Date.parse(headers['ct_scheduled_at']!),
      })
    }
  return all.toSorted((a, b) => a.at - b.at)
}

/** Every run that the store counts is one message, no two are for one instant, and none is missing in between. */
async function expectExactlyOnce(): Promise<void> {
  const runs = (await redis.command('HGETALL', 'ct.schedule.default.runs')) as unknown as string[]
  const all = await fired()
  expect(new Set(all.map(({ id }) => id)).size).toBe(all.length)
  for (const [name, every] of [
    ['fast', 100],
    ['slow', 700],
  ] as const) {
    const [lastRunAt, count] = runs[runs.indexOf(name) + 1]!.split(' ').map(Number)
    const own = all.filter((one) => one.name === name)
    expect(own.length).toBe(count)
    // Each counts from when the one before was sent: as late as the next is due, less one interval.
    own.slice(1).forEach(({ at }, index) => expect(at - every).toBeGreaterThanOrEqual(own[index]!.at))
    expect(lastRunAt).toBeGreaterThanOrEqual(own.at(-1)!.at)
  }
}

async function stopAll(): Promise<void> {
  await Promise.all(beats.map((beat) => beat.end('SIGTERM')))
  for (const { out, child } of beats) {
    if (child.signalCode !== null) continue
    expect(out).toMatch(/stopped\n$/)
    expect(child.exitCode).toBe(0)
  }
}

describe('PAIN-30: three beats, broker and store on one Redis', () => {
  it('the leader is stopped and wakes up: it sends nothing, and stands by; the next one is killed: another goes on within its lease', async () => {
    const [leader, ...others] = await three()
    leader.child.kill('SIGSTOP')
    const before = leader.sent.length
    const next = await nextLeader(others)
    await next.more(5)
    leader.child.kill('SIGCONT')
    await leader.until(() => leader.state === 'standby')
    await next.more(5)
    // At most what it had sent and not yet told.
    expect(leader.sent.length - before).toBeLessThanOrEqual(1)
    const killed = next.end('SIGKILL')
    const last = await nextLeader(beats.filter((beat) => beat !== next))
    await killed
    await last.more(10)
    await stopAll()
    await expectExactlyOnce()
  }, 60_000)

  it('connections are cut, again and again, and Redis is killed and comes back: what was due meanwhile is sent once', async () => {
    const [leader] = await three()
    for (let cut = 0; cut < 5; cut++) {
      await redis.command('CLIENT', 'KILL', 'TYPE', 'normal', 'SKIPME', 'yes')
      await Promise.race(beats.map((beat) => beat.more(3)))
    }
    expect(leader.sent.length).toBeGreaterThan(0)
    const told = beats.map(({ out }) => out.length)
    await redis.kill()
    await Promise.race(
      beats.map((beat, index) => beat.until(() => beat.out.slice(told[index]).includes('failing'))),
    )
    await redis.start()
    await Promise.race(beats.map((beat) => beat.more(8)))
    await stopAll()
    await expectExactlyOnce()
  }, 60_000)
})

it('BEAT-14: a second Ctrl-C ends a beat at once whose store gives no answer', async () => {
  const server = await startPrivateRedis()
  try {
    const beat = new BeatProcess(server.url, server.url)
    beats = [beat]
    await beat.more(2)
    server.pause()
    beat.child.kill('SIGINT')
    await beat.until(() => beat.out.includes('stopping'))
    const closed = once(beat.child, 'close')
    beat.child.kill('SIGINT')
    await closed
    expect(beat.child.exitCode).toBe(130)
    expect(beat.out).not.toContain('stopped')
  } finally {
    server.resume()
    await server[Symbol.asyncDispose]()
  }
}, 30_000)

describe('the broker is another server than the store', () => {
  it('a stopped leader that wakes up sends at most what was under way, under the same id', async () => {
    const [leader, ...others] = await three(elsewhere.url)
    leader.child.kill('SIGSTOP')
    const next = await nextLeader(others)
    await next.more(5)
    leader.child.kill('SIGCONT')
    await leader.until(() => leader.state === 'standby')
    await next.more(5)
    await next.end('SIGKILL')
    const last = await nextLeader(beats.filter((beat) => beat !== next))
    await last.more(3)
    await stopAll()
    const all = await fired(elsewhere)
    // One for the stop and one for the kill, at most.
    expect(all.length - new Set(all.map(({ id }) => id)).size).toBeLessThanOrEqual(2)
    // No two ids are for one run: each is later than the one before by an interval.
    for (const [name, every] of [
      ['fast', 100],
      ['slow', 700],
    ] as const) {
      const instants = [...new Set(all.filter((one) => one.name === name).map(({ at }) => at))]
      instants.slice(1).forEach((at, index) => expect(at - every).toBeGreaterThanOrEqual(instants[index]!))
    }
  }, 60_000)
})
