import type { Delivery } from '@ct/contracts'
import { describe, expect, it } from 'vitest'
import { LeaseKeeper } from './lease-keeper.ts'

function held(count: number): Delivery[] {
  return Array.from({ length: count }, (_, index) => ({ tag: String(index), settled: false }) as Delivery)
}

describe('LeaseKeeper', () => {
  it('renews everything held in bulk and reports what is no longer ours', async () => {
    const deliveries = held(2500)
    const sizes: number[] = []
    const lost: Delivery[] = []
    const keeper = new LeaseKeeper(
      {
        extendLeases: (batch) => {
          sizes.push(batch.length)
          return Promise.resolve(batch.filter((delivery) => delivery.tag === '7' || delivery.tag === '2400'))
        },
      },
      { leaseMs: 3000, held: () => deliveries, onLost: (gone) => lost.push(...gone), onError: () => {} },
    )
    await keeper.renew()
    expect(sizes).toEqual([1000, 1000, 500])
    expect(lost.map((delivery) => delivery.tag)).toEqual(['7', '2400'])
  })

  it('does not take a message for lost that was settled meanwhile, and survives a failing renewal', async () => {
    const [one] = held(1)
    const lost: Delivery[] = []
    const errors: unknown[] = []
    const keeper = new LeaseKeeper(
      { extendLeases: (batch) => Promise.resolve(batch.map((delivery) => ({ ...delivery, settled: true }))) },
      {
        leaseMs: 3000,
        held: () => [one!],
        onLost: (gone) => lost.push(...gone),
        onError: (error) => errors.push(error),
      },
    )
    await keeper.renew()
    expect(lost).toEqual([])
    const failing = new LeaseKeeper(
      { extendLeases: () => Promise.reject(new Error('down')) },
      { leaseMs: 3000, held: () => [one!], onLost: () => {}, onError: (error) => errors.push(error) },
    )
    await failing.renew()
    expect(errors).toHaveLength(1)
  })
})
