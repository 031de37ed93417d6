/** Nothing lost: ct workers and producers on a Redis that keeps what it confirmed, with everything that can befall them. */
import { tryServices } from '@ct-tools/services'
import { describe, expect, it } from 'vitest'
import { ctFaults, runCampaign, summarize, type CampaignOptions } from './index.ts'

const present = (await tryServices(['redis'])) !== undefined
const nightly = process.env['CT_NIGHTLY'] !== undefined

const short: CampaignOptions = {
  seed: 11,
  orders: 2200,
  durationMs: 18_000,
  faults: ctFaults,
  faultEveryMs: 1300,
}
const long: CampaignOptions = {
  seed: Date.now() % 1_000_000,
  orders: 60_000,
  durationMs: 600_000,
  faults: [...ctFaults, ...ctFaults, ...ctFaults, 'redis-outage'],
  faultEveryMs: 2500,
  ctWorkers: 4,
  ctProducers: 2,
  drainMs: 120_000,
}

describe.skipIf(!present)('ledger of a ct fleet', () => {
  it(
    'WORK-19: every confirmed task ends, none runs twice without a fault that explains it, nothing is left',
    { timeout: nightly ? 1_200_000 : 120_000 },
    async () => {
      const report = await runCampaign(nightly ? long : short)
      console.log(summarize(report))
      expect(report.violations).toEqual([])
      expect(report.verdict.units.ended).toBeGreaterThan(4000)
      for (const kind of ctFaults) expect(report.faults.map((fault) => fault.kind)).toContain(kind)
    },
  )

  it.skipIf(!nightly)('WORK-19: without faults nothing runs twice at all', { timeout: 120_000 }, async () => {
    const report = await runCampaign({ ...short, faults: [] })
    console.log(summarize(report))
    expect(report.violations).toEqual([])
    expect(report.verdict.repeated.size).toBe(0)
  })

  it.skipIf(!nightly)(
    'WORK-19: a Redis that is away for longer than a publish waits',
    { timeout: 240_000 },
    async () => {
      const report = await runCampaign({
        ...short,
        durationMs: 60_000,
        faults: ['redis-outage'],
        faultEveryMs: 25_000,
        drainMs: 60_000,
      })
      console.log(summarize(report))
      expect(report.violations).toEqual([])
    },
  )
})
