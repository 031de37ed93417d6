import { describe } from 'vitest'
import { freshRedis, tryServices } from '@ct-tools/services'
import { describePages } from './describe-pages.ts'
import { pages } from './page.ts'

const redis = await tryServices(['redis'])

describe.runIf(redis !== undefined)('examples on Redis', () => {
  describePages(
    pages().filter(({ need }) => need === 'redis'),
    async () => {
      const fresh = await freshRedis()
      return { redisUrl: fresh.url, release: fresh.release }
    },
  )
})
