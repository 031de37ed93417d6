import { freePort } from './ports.ts'
import { PrivateRedis } from './private-redis.ts'
import { waitUntil } from './progress.ts'

const MASTER = 'ctmaster'

/** One master, one replica, three sentinels (quorum 2) that notice a dead master after half a second. */
export class RedisSentinel implements AsyncDisposable {
  /** The name under which sentinels know the master. */
  readonly masterName: string = MASTER
  readonly servers: readonly PrivateRedis[]
  readonly sentinels: readonly PrivateRedis[]

  private constructor(servers: readonly PrivateRedis[], sentinels: readonly PrivateRedis[]) {
    this.servers = servers
    this.sentinels = sentinels
  }

  static async start(): Promise<RedisSentinel> {
    const master = await PrivateRedis.start()
    const replica = await PrivateRedis.start({ args: ['--replicaof', '127.0.0.1', String(master.port)] })
    const sentinels = await Promise.all([1, 2, 3].map(() => startSentinel(master.port)))
    const group = new RedisSentinel([master, replica], sentinels)
    await waitUntil('sentinel', 'waiting for the sentinels to know each other and the replica', async () => {
      for (const sentinel of sentinels) {
        const state = await group.#masterState(sentinel)
        if (state['num-slaves'] !== '1' || state['num-other-sentinels'] !== '2') return false
      }
      // Without a synchronized replica there is nobody to fail over to.
      return String(await replica.command('INFO', 'replication')).includes('master_link_status:up')
    })
    return group
  }

  /** `sentinel://host:port/0;sentinel://…`, as Celery takes it. */
  get url(): string {
    return this.sentinels.map(({ port }) => `sentinel://127.0.0.1:${port}/0`).join(';')
  }

  get addresses(): Array<{ host: string; port: number }> {
    return this.sentinels.map(({ host, port }) => ({ host, port }))
  }

  /** Who is master now, by the first sentinel's word. */
  async master(): Promise<PrivateRedis> {
    const [sentinel] = this.sentinels
    const answer = await sentinel?.command('SENTINEL', 'GET-MASTER-ADDR-BY-NAME', MASTER)
    const port = Array.isArray(answer) ? Number(answer[1]) : undefined
    const found = this.servers.find((server) => server.port === port)
    if (!found) throw new Error(`sentinel: unknown master ${JSON.stringify(answer)}`)
    return found
  }

  /** Kills the master; resolves with the new one when every sentinel names it. The old one stays stopped. */
  async failover(): Promise<PrivateRedis> {
    const old = await this.master()
    await old.kill()
    return waitUntil('sentinel', 'waiting for a new master', async () => {
      for (const sentinel of this.sentinels) {
        const { port } = await this.#masterState(sentinel)
        if (Number(port) === old.port) return false
      }
      const next = await this.master()
      // Whoever is promoted loses its connections, possibly this one.
      const role = await next.command('ROLE').catch(() => 'between roles')
      return String(role).startsWith('master') && next
    })
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all([...this.sentinels, ...this.servers].map((server) => server[Symbol.asyncDispose]()))
  }

  async #masterState(sentinel: PrivateRedis): Promise<Record<string, string>> {
    const flat = (await sentinel.command('SENTINEL', 'MASTER', MASTER)) as string[]
    const state: Record<string, string> = {}
    for (let i = 0; i + 1 < flat.length; i += 2) state[String(flat[i])] = String(flat[i + 1])
    return state
  }
}

async function startSentinel(masterPort: number): Promise<PrivateRedis> {
  const port = await freePort()
  const lines = [
    `sentinel monitor ${MASTER} 127.0.0.1 ${masterPort} 2`,
    `sentinel down-after-milliseconds ${MASTER} 500`,
    `sentinel failover-timeout ${MASTER} 3000`,
    `sentinel parallel-syncs ${MASTER} 1`,
  ]
  return PrivateRedis.start({ port, sentinelConfig: lines })
}

/** Starts a Redis master, its replica and three sentinels for one test. */
export function startRedisSentinel(): Promise<RedisSentinel> {
  return RedisSentinel.start()
}
