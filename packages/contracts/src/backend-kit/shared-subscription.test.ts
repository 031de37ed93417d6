import { expect, it, vi } from 'vitest'
import type { ResultColumns, StoredResult } from '../result-backend.ts'
import { SharedSubscription } from './index.ts'

function waitingOn(results: Map<string, StoredResult>): { subscription: SharedSubscription; told: string[] } {
  const told: string[] = []
  const subscription = new SharedSubscription({
    read: async (ids) => ids.map((id) => results.get(id)),
    pollMs: { first: 1, longest: 1 },
    onResult: ({ taskId, document, columns }) =>
      told.push(`${taskId} ${Buffer.from(document ?? columns.result).toString()}`),
    onFailure: (error) => expect.unreachable(String(error)),
  })
  return { subscription, told }
}

it('R8: who adds an id that is watched already is told what is stored, too', async () => {
  const { subscription, told } = waitingOn(new Map([['a', { taskId: 'a', document: Buffer.from('1') }]]))
  await subscription.add(['a'])
  await subscription.add(['a', 'b'])
  expect(told).toEqual(['a 1', 'a 1'])
  await Promise.all([subscription.add(['c']), subscription.add(['c'])])
  await subscription.remove(['a', 'c'])
  await subscription.add(['a'])
  expect(told).toEqual(['a 1', 'a 1', 'a 1'])
  await subscription.close()
})

it('R8: rows are told when one of their columns has changed, and only then', async () => {
  const columns: ResultColumns = {
    status: 'STARTED',
    result: Buffer.from('1'),
    traceback: null,
    children: null,
    dateDone: null,
  }
  const results = new Map([['a', { taskId: 'a', columns }]])
  const { subscription, told } = waitingOn(results)
  await subscription.add(['a'])
  results.set('a', { taskId: 'a', columns: { ...columns, result: Buffer.from('1'), worker: null } })
  await subscription.add(['b'])
  expect(told).toEqual(['a 1'])
  results.set('a', { taskId: 'a', columns: { ...columns, status: 'SUCCESS' } })
  await vi.waitFor(() => expect(told).toEqual(['a 1', 'a 1']))
  await subscription.close()
})
