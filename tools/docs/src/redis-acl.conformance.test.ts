import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { RedisConnection, startPrivateRedis, tryServices } from '@ct-tools/services'
import { redis } from '@ct/broker-redis'
import { createApp, group } from '@ct/core'
import { workspace } from './page.ts'

const ready = (await tryServices(['redis'])) !== undefined

describe.runIf(ready)('docs/adapters/redis.md', () => {
  it('the ACL user it shows is enough for client, worker, control and canvas', async () => {
    const page = readFileSync(join(workspace, 'docs/adapters/redis.md'), 'utf8')
    const [, command = ''] = /^(ACL SETUSER .*)$/m.exec(page) ?? []
    const server = await startPrivateRedis()
    try {
      using admin = await RedisConnection.openUrl(server.url)
      await admin.command(...command.split(' '))
      const url = server.url.replace('redis://', 'redis://proj:secret@')
      const app = createApp({ name: 'acl', adapters: [redis], broker: url, backend: url })
      const add = app.task('acl.add', (x: number, y: number) => x + y)
      const worker = app.worker({ taskEvents: true, hostname: 'acl@host' })
      await worker.start()
      const sums = await group([add.s(1, 1), add.s(2, 2)]).applyAsync()
      expect(await sums.get({ timeoutMs: 20_000 })).toEqual([2, 4])
      expect(await app.control.ping({ limit: 1 })).toHaveLength(1)
      await worker.stop()
      await app.close()
    } finally {
      await server.stop()
    }
  })
})
