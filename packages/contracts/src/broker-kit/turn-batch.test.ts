import { describe, expect, it } from 'vitest'
import { TurnBatch } from './index.ts'

describe('TurnBatch', () => {
  it('hands over what one turn asked for in one call, and the next turn’s in another', async () => {
    const calls: number[][] = []
    const batch = new TurnBatch<number, number>(async (items) => {
      calls.push([...items])
      return items.map((item) => item * 10)
    })
    expect(await Promise.all([batch.add(1), batch.add(2), batch.add(3)])).toEqual([10, 20, 30])
    expect(await batch.add(4)).toBe(40)
    expect(calls).toEqual([[1, 2, 3], [4]])
  })

  it('keeps the order: what is added while a call is under way waits for it', async () => {
    const gate = Promise.withResolvers<void>()
    const calls: number[][] = []
    const batch = new TurnBatch<number, number>(async (items) => {
      calls.push([...items])
      if (calls.length === 1) await gate.promise
      return items
    })
    const first = batch.add(1)
    await expect.poll(() => calls.length).toBe(1)
    const later = [batch.add(2), batch.add(3)]
    gate.resolve()
    await Promise.all([first, ...later])
    expect(calls).toEqual([[1], [2, 3]])
    await batch.idle()
  })

  it('a call that fails fails its own items, and no others', async () => {
    let calls = 0
    const batch = new TurnBatch<number, number>(async (items) => {
      if (++calls === 1) throw new Error('no')
      return items
    }, 2)
    const outcomes = await Promise.allSettled([batch.add(1), batch.add(2), batch.add(3)])
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected', 'fulfilled'])
  })
})
