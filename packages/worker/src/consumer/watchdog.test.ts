import { describe, expect, it } from 'vitest'
import { Watchdog } from './watchdog.ts'

describe('Watchdog', () => {
  it('PAIN-5: reports only when messages wait twice in a row, nothing came, and there is room', async () => {
    let delivered = 0
    let ready = true
    let waiting = 3
    const stalled: number[] = []
    let looks = 0
    const dog = new Watchdog({
      delivered: () => delivered,
      ready: () => ready,
      waiting: () => {
        looks += 1
        return Promise.resolve(waiting)
      },
      onStalled: (count) => stalled.push(count),
    })
    await dog.look() // learns the count
    await dog.look()
    expect(stalled).toEqual([])
    await dog.look()
    expect(stalled).toEqual([3])
    await dog.look()
    delivered = 5
    await dog.look()
    await dog.look()
    ready = false
    await dog.look()
    ready = true
    await dog.look()
    waiting = 0
    await dog.look()
    waiting = 1
    await dog.look()
    expect(stalled).toEqual([3])
    expect(looks).toBeLessThan(10)
  })
})
