import { describe, expect, it } from 'vitest'
import { Credit } from './credit.ts'

describe('Credit', () => {
  it('grants in the order of asking, and never more than there is', async () => {
    const credit = new Credit(5)
    const first = await credit.acquire(3)
    const second = await credit.acquire(9)
    expect([first, second, credit.free]).toEqual([3, 2, 0])
    const third = credit.acquire(1)
    const fourth = credit.acquire(4)
    expect(credit.waiting).toBe(2)
    credit.giveBack(second)
    expect(await third).toBe(1)
    expect(await fourth).toBe(1)
    expect(credit.free).toBe(0)
  })

  it('held messages use it up until they are settled; a lower limit grants nothing until enough are', async () => {
    const credit = new Credit(2)
    credit.hold(1)
    credit.hold(1)
    const asked = credit.acquire(5)
    credit.setLimit(1)
    credit.hold(-1)
    expect(credit.waiting).toBe(1)
    credit.hold(-1)
    expect(await asked).toBe(1)
    expect(credit.free).toBe(0)
  })

  it('a higher limit serves those in line at once; dismiss sends them away with nothing', async () => {
    const credit = new Credit(0)
    const asked = credit.acquire(5)
    credit.setLimit(3)
    expect(await asked).toBe(3)
    const next = credit.acquire(1)
    credit.dismiss()
    expect(await next).toBe(0)
    expect(credit.waiting).toBe(0)
  })

  it('without limit everybody gets all they ask for', async () => {
    const credit = new Credit(Infinity)
    expect(await credit.acquire(1_000)).toBe(1_000)
    expect(await credit.acquire(7)).toBe(7)
  })
})
