import { describe } from 'vitest'
import { freshRedis, freshVhost, tryServices } from '@ct-tools/services'
import { describePages } from './describe-pages.ts'
import { pages } from './page.ts'

const redis = await tryServices(['redis'])
const rabbitmq = redis === undefined ? undefined : await tryServices(['rabbitmq'])

describe.runIf(redis !== undefined)('examples on Redis', () => {
  describePages(
    pages().filter(({ need }) => need === 'redis'),
    async () => {
      const fresh = await freshRedis()
      return { redisUrl: fresh.url, release: fresh.release }
    },
  )
})

describe.runIf(rabbitmq !== undefined)('examples on RabbitMQ', () => {
  describePages(
    pages().filter(({ need }) => need === 'rabbitmq'),
    async () => {
      const [fresh, vhost] = [await freshRedis(), await freshVhost()]
      return {
        redisUrl: fresh.url,
        amqpUrl: vhost.url,
        async release() {
          await fresh.release()
          await vhost.release()
        },
      }
    },
  )
})
