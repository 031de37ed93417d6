import { expect, it } from 'vitest'
import type { KeyValueStore } from './index.ts'
import { KeyValueSubscription } from './key-value-subscription.ts'

function waitingOn(values: Map<string, Uint8Array>): { subscription: KeyValueSubscription; told: string[] } {
  const told: string[] = []
  const store: KeyValueStore = {
    getMany: async (keys) => keys.map((key) => values.get(key)),
    set: async (key, value) => void values.set(key, value),
    delete: async (keys) => keys.forEach((key) => values.delete(key)),
    close: async () => {},
  }
  const subscription = new KeyValueSubscription({
    store,
    prefix: '',
    pollMs: { first: 1, longest: 1 },
    onResult: ({ taskId, document }) => told.push(`${taskId} ${Buffer.from(document!).toString()}`),
    guard: (call) => call(),
    onFailure: (error) => expect.unreachable(String(error)),
    onClosed: () => {},
  })
  return { subscription, told }
}

it('R8: who adds an id that is watched already is told what is stored, too', async () => {
  const { subscription, told } = waitingOn(new Map([['a', Buffer.from('1')]]))
  await subscription.add(['a'])
  await subscription.add(['a', 'b'])
  expect(told).toEqual(['a 1', 'a 1'])
  await Promise.all([subscription.add(['c']), subscription.add(['c'])])
  await subscription.remove(['a', 'c'])
  await subscription.add(['a'])
  expect(told).toEqual(['a 1', 'a 1', 'a 1'])
  await subscription.close()
})
