import { startPrivateRedis, type PrivateRedis } from '@ct-tools/services'
import { scheduleStoreConformance } from '@ct/testing/conformance'
import { afterAll } from 'vitest'
import { redisBroker } from '../broker/broker.ts'
import { redisScheduleStore } from './schedule-store.ts'

const server: PrivateRedis = await startPrivateRedis({ args: ['--databases', '100'] })
afterAll(() => server[Symbol.asyncDispose]())

let nextDb = 0

scheduleStoreConformance(
  'redis',
  async () => {
    const db = nextDb++ % 100
    const url = `redis://127.0.0.1:${server.port}/${db}`
    return {
      store: async () => redisScheduleStore({ url }),
      async putBroken(name) {
        using connection = await server.connect({ db })
        await connection.command('HSET', 'ct.schedule.default.entries', name, '{"not": "an entry"}')
      },
      async loseData() {
        using connection = await server.connect({ db })
        await connection.command('FLUSHDB')
      },
      broker: async () => redisBroker({ url }),
      unreachable: async () => redisScheduleStore({ url: 'redis://127.0.0.1:1/0' }),
      close: async () => {},
    }
  },
  { capabilities: redisScheduleStore().capabilities },
)
