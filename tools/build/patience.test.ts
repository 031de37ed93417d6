import { expect, it, vi } from 'vitest'

it.each([
  ['vi.waitFor', (came: () => boolean) => vi.waitFor(() => expect(came()).toBe(true))],
  ['vi.waitUntil', (came: () => boolean) => vi.waitUntil(came)],
])('%s looks for longer than its default, a second', async (_, look) => {
  const began = performance.now()
  await look(() => performance.now() - began > 1_200)
})

it('a time of its own is kept', async () => {
  await expect(vi.waitFor(() => expect(1).toBe(2), 20)).rejects.toThrow('expected 1 to be 2')
  await expect(vi.waitFor(() => expect(1).toBe(2), { timeout: 20 })).rejects.toThrow('expected 1 to be 2')
})
