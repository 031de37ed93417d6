/** What is measured runs to its end: each shape, a small one, by ct. What it takes is for `main.ts` to say. */
import { startPrivateRedis } from '@ct-tools/services'
import { expect, it } from 'vitest'
import { ctWorkflows } from './ct-workflows.ts'
import { shapes, type Shape } from './shapes.ts'

it.each(Object.keys(shapes) as Shape[])('%s: once, and as often again as is asked for', async (shape) => {
  await using redis = await startPrivateRedis()
  const seconds = await ctWorkflows.run(redis.url, shape, { ...shapes[shape], count: 12, repeats: 2 })
  expect(seconds).toHaveLength(3)
  const [results] = (await redis.command('INFO', 'keyspace'))?.toString().match(/keys=\d+/) ?? []
  // A result for each task of the warm-up and the three turns at least.
  expect(Number(results?.slice(5))).toBeGreaterThanOrEqual(4 * 10)
})
