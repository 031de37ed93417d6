import { dirname } from 'node:path'
import { describe } from 'vitest'
import { ensurePython, tryPython } from '@ct-tools/interop'
import { freshRedis, tryServices } from '@ct-tools/services'
import { describePages } from './describe-pages.ts'
import { pages } from './page.ts'

const ready = (await tryPython('5.7')) && (await tryServices(['redis'])) !== undefined

describe.runIf(ready)('examples with Python Celery', () => {
  describePages(
    pages().filter(({ need }) => need === 'python'),
    async () => {
      const [fresh, venv] = [await freshRedis(), await ensurePython('5.7')]
      return { redisUrl: fresh.url, python: dirname(venv.python), release: fresh.release }
    },
  )
})
