import { freshRedis, tryServices } from '@ct-tools/services'
import { expect, it } from 'vitest'
import { runDemo } from './run-demo.ts'

const present = (await tryServices(['redis'])) !== undefined

it.skipIf(!present)(
  'the demo runs on Redis, its worker in a process of its own, and leaves nothing that does not expire',
  async () => {
    await using redis = await freshRedis()
    const { code, out, err } = await runDemo('--broker', redis.url)
    expect(err).toBe('')
    expect(code).toBe(0)
    expect(out).toMatch(/the worker in process \d+, the messages on redis:\/\//)
    expect(out).toMatch(/word count +\d+ files, \d+ words/)
    expect(out).toContain('succeeded at attempt 2')
    expect(out).toContain('20 frames rendered')
    expect(out).toContain(`-b ${redis.url} --result-backend ${redis.url} `)
    const connection = await redis.connect()
    const keys = (await connection.command('KEYS', '*')) as string[]
    const forGood: string[] = []
    for (const key of keys) if ((await connection.command('TTL', key)) === -1) forGood.push(key)
    await connection.close()
    // The queue is gone; what it was bound to may be remembered.
    expect(forGood.filter((key) => !key.startsWith('_kombu.binding'))).toEqual([])
  },
)
