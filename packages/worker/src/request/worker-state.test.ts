import { expect, it } from 'vitest'
import type { Request } from './request.ts'
import { WorkerState } from './worker-state.ts'

it('CTRL-46: names that callers make up do not fill the memory: beyond many, tasks are counted under their own', () => {
  const state = new WorkerState()
  for (let index = 0; index < 20_000; index++)
    state.accepted({ name: `shadow ${index}`, message: { task: 'proj.add' } } as Request)
  state.accepted({ name: 'shadow 5', message: { task: 'proj.add' } } as Request)
  expect(state.processed).toBe(20_001)
  expect(state.totals.size).toBe(10_001)
  expect(state.totals.get('proj.add')).toBe(10_000)
  expect(state.totals.get('shadow 5')).toBe(2)
})
