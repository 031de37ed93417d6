import { expect, it } from 'vitest'
import { withLock } from './lock.ts'

it('lets one holder work at a time', async () => {
  const seen: string[] = []
  const work = async (name: string): Promise<void> => {
    seen.push(`${name} begins`)
    await new Promise((resolve) => setImmediate(resolve))
    seen.push(`${name} ends`)
  }
  const name = `test-${process.pid}`
  await Promise.all(['a', 'b', 'c'].map((one) => withLock(name, () => work(one))))
  expect(seen).toHaveLength(6)
  for (let i = 0; i < seen.length; i += 2) expect(seen[i + 1]).toBe(seen[i]?.replace('begins', 'ends'))
})

it('frees the lock when the work fails, and gives up after a while', async () => {
  const name = `test-failing-${process.pid}`
  const fail = (): Promise<never> => Promise.reject(new Error('work failed'))
  await expect(withLock(name, fail)).rejects.toThrow('work failed')
  await withLock(name, async () => {
    await expect(withLock(name, async () => 'never', 50)).rejects.toMatchObject({ code: 'CT_SERVICE_FAILED' })
  })
})
