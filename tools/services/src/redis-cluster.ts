import { freePort } from './ports.ts'
import { PrivateRedis } from './private-redis.ts'
import { waitUntil } from './progress.ts'

const SLOTS = 16_384

/** A Redis Cluster of masters that share the slots evenly. */
export class RedisCluster implements AsyncDisposable {
  readonly nodes: readonly PrivateRedis[]

  private constructor(nodes: readonly PrivateRedis[]) {
    this.nodes = nodes
  }

  static async start(masters = 3): Promise<RedisCluster> {
    const started = await Promise.allSettled(Array.from({ length: masters }, startNode))
    const nodes = started.flatMap((one) => (one.status === 'fulfilled' ? [one.value] : []))
    const failed = started.find((one) => one.status === 'rejected')
    if (failed !== undefined) {
      await Promise.all(nodes.map((node) => node[Symbol.asyncDispose]()))
      throw failed.reason
    }
    const [first] = nodes
    if (!first) throw new RangeError('cluster: at least one master')
    for (const [i, node] of nodes.entries()) {
      const from = Math.ceil((i * SLOTS) / masters)
      const to = Math.ceil(((i + 1) * SLOTS) / masters) - 1
      await node.command('CLUSTER', 'ADDSLOTSRANGE', from, to)
      await node.command('CLUSTER', 'SET-CONFIG-EPOCH', i + 1)
    }
    for (const node of nodes) {
      if (node === first) continue
      const busPort = Number(((await node.command('CONFIG', 'GET', 'cluster-port')) as string[])[1])
      await first.command('CLUSTER', 'MEET', '127.0.0.1', node.port, busPort)
    }
    await waitUntil('cluster', 'waiting for every node to see the whole cluster', async () => {
      for (const node of nodes) {
        const info = String(await node.command('CLUSTER', 'INFO'))
        if (!info.includes('cluster_state:ok') || !info.includes(`cluster_known_nodes:${masters}`))
          return false
      }
      return true
    })
    return new RedisCluster(nodes)
  }

  get addresses(): Array<{ host: string; port: number }> {
    return this.nodes.map(({ host, port }) => ({ host, port }))
  }

  /** The node that has a key's slot. */
  async nodeOf(key: string): Promise<PrivateRedis> {
    const slot = Number(await this.nodes[0]?.command('CLUSTER', 'KEYSLOT', key))
    const found = this.nodes[Math.floor((slot * this.nodes.length) / SLOTS)]
    if (!found) throw new Error(`cluster: no node for slot ${slot}`)
    return found
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await Promise.all(this.nodes.map((node) => node[Symbol.asyncDispose]()))
  }
}

async function startNode(): Promise<PrivateRedis> {
  for (let attempt = 1; ; attempt += 1) {
    try {
      return await tryNode()
    } catch (error) {
      // Somebody else took its bus' port between our look and the server's.
      if (attempt === 5 || !String(error).includes('already in use')) throw error
    }
  }
}

async function tryNode(): Promise<PrivateRedis> {
  const settings = {
    'cluster-enabled': 'yes',
    'cluster-config-file': 'nodes.conf',
    'cluster-node-timeout': '2000',
    'cluster-announce-ip': '127.0.0.1',
    // The default, port + 10000, would lie among the system's outgoing ports.
    'cluster-port': String(await freePort()),
  }
  return PrivateRedis.start({
    args: Object.entries(settings).flatMap(([name, value]) => [`--${name}`, value]),
  })
}

/** Starts a Redis Cluster (default: three masters) for one test. */
export function startRedisCluster(masters?: number): Promise<RedisCluster> {
  return RedisCluster.start(masters)
}
