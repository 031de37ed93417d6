import { expect, it } from 'vitest'
import { newTaskId } from './new-task-id.ts'

it('APP-11: a task id is a random UUID of version 4, and no two are the same', () => {
  const ids = Array.from({ length: 1000 }, newTaskId)
  for (const id of ids)
    expect(id).toMatch(/^[0-9a-f]{8}-[0-9a-f]{4}-4[0-9a-f]{3}-[89ab][0-9a-f]{3}-[0-9a-f]{12}$/)
  expect(new Set(ids).size).toBe(1000)
  // Every digit that may be anything is something else now and then.
  for (let at = 0; at < 36; at += 1) {
    const seen = new Set(ids.map((id) => id[at]))
    expect(seen.size).toBe([8, 13, 18, 23, 14].includes(at) ? 1 : at === 19 ? 4 : 16)
  }
})
