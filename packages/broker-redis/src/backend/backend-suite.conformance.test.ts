import { randomUUID } from 'node:crypto'
import { startPrivateRedis, type PrivateRedis } from '@ct-tools/services'
import { resultBackendConformance } from '@ct/testing/conformance'
import { afterAll } from 'vitest'
import { redisBackend } from './backend.ts'

const server: PrivateRedis = await startPrivateRedis({ args: ['--databases', '200'] })
afterAll(() => server[Symbol.asyncDispose]())

async function killClients(name: string): Promise<void> {
  for (const line of String(await server.command('CLIENT', 'LIST')).split('\n')) {
    const id = /^id=(\d+)/.exec(line)?.[1]
    if (id !== undefined && line.includes(` name=${name}:`)) await server.command('CLIENT', 'KILL', 'ID', id)
  }
}

let nextDb = 0

resultBackendConformance(
  'redis',
  async () => {
    const url = `redis://127.0.0.1:${server.port}/${nextDb++ % 200}`
    return {
      async peer() {
        const clientName = `peer-${randomUUID()}`
        return { backend: redisBackend({ url, clientName }), cut: () => killClients(clientName) }
      },
      unreachable: async () => redisBackend({ url: 'redis://127.0.0.1:1/0' }),
      close: async () => {},
    }
  },
  { capabilities: redisBackend().capabilities },
)
