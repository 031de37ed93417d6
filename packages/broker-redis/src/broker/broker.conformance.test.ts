import { randomUUID } from 'node:crypto'
import { startPrivateRedis, type PrivateRedis } from '@ct-tools/services'
import { brokerConformance, type BrokerHarness, type BrokerPeer } from '@ct/testing/conformance'
import { afterAll } from 'vitest'
import { redisBackend } from '../backend/backend.ts'
import { redisBroker } from './broker.ts'

const leaseMs = 500
const server: PrivateRedis = await startPrivateRedis({
  args: ['--databases', '400'],
  acl: [{ user: 'somebody', password: 'right', rules: ['~*', '&*', '+@all'] }],
})
afterAll(() => server[Symbol.asyncDispose]())

let nextDb = 0

async function killClients(name: string): Promise<void> {
  const list = String(await server.command('CLIENT', 'LIST'))
  for (const line of list.split('\n')) {
    if (line.includes(` name=${name}:`))
      await server.command('CLIENT', 'KILL', 'ID', /^id=(\d+)/.exec(line)?.[1] ?? '0')
  }
}

async function harness(): Promise<BrokerHarness> {
  const url = `redis://127.0.0.1:${server.port}/${nextDb++ % 400}`
  const peers = new Map<BrokerPeer, string>()
  return {
    async peer() {
      const clientName = `peer-${randomUUID()}`
      const cut = (): Promise<void> => killClients(clientName)
      const peer = {
        broker: redisBroker({ url, clientName, visibilityTimeout: leaseMs / 1000 }),
        cut,
        kill: cut,
      }
      peers.set(peer, clientName)
      return peer
    },
    async putRaw(queue, payload) {
      using connection = await server.connect({ db: Number(new URL(url).pathname.slice(1)) })
      await connection.command('LPUSH', queue, payload)
    },
    async expireLeases() {
      // A consumer looks for overdue messages when it starts, and close waits for that look.
      const broker = redisBroker({ url, visibilityTimeout: leaseMs / 1000 })
      const connection = await broker.connect({ onNotice: () => {} })
      await connection.openConsumer({ credit: 1, onDelivery: () => {} })
      await broker.close()
    },
    backend: async () => redisBackend({ url }),
    unreachable: async () => redisBroker({ url: 'redis://127.0.0.1:1/0' }),
    refused: async () => redisBroker({ url: `redis://somebody:wrong@127.0.0.1:${server.port}/0` }),
    async served() {
      const stats = String(await server.command('INFO', 'commandstats'))
      // What scripts call is not sent by anybody.
      const sent =
        /^cmdstat_(?:evalsha|eval|exists|ping|client\|[a-z]+|pubsub\|[a-z]+|llen|lpush):calls=(\d+)/gm
      return [...stats.matchAll(sent)].reduce((sum, match) => sum + Number(match[1]), 0)
    },
    close: async () => {},
  }
}

brokerConformance('redis', harness, {
  capabilities: redisBroker({ visibilityTimeout: leaseMs / 1000 }).capabilities,
  leaseMs,
})
