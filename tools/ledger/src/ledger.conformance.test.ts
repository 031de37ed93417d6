/** Nothing lost: ct workers and producers on a broker that keeps what it confirmed, with everything that can befall them. */
import { PrivateRabbit, tryServices } from '@ct-tools/services'
import { describe, expect, it } from 'vitest'
import { ctFaults, rabbitFaults, runCampaign, summarize, type CampaignOptions } from './index.ts'

const redis = (await tryServices(['redis'])) !== undefined
const brokers = [
  { broker: 'redis', faults: ctFaults, present: redis },
  { broker: 'rabbitmq', faults: rabbitFaults, present: redis && PrivateRabbit.isInstalled },
] as const
const nightly = process.env['CT_NIGHTLY'] !== undefined

const short: Omit<CampaignOptions, 'faults'> = {
  seed: 11,
  orders: 2200,
  durationMs: 18_000,
  faultEveryMs: 1300,
}
const long: Omit<CampaignOptions, 'faults'> = {
  seed: Date.now() % 1_000_000,
  orders: 60_000,
  durationMs: 600_000,
  faultEveryMs: 2500,
  ctWorkers: 4,
  ctProducers: 2,
  drainMs: 120_000,
}

describe.for(brokers)('ledger of a ct fleet on $broker', ({ broker, faults, present }) => {
  it.skipIf(!present)(
    'WORK-19: every confirmed task ends, none runs twice without a fault that explains it, nothing is left',
    { timeout: nightly ? 1_200_000 : 120_000 },
    async () => {
      const report = await runCampaign(
        nightly
          ? { ...long, broker, faults: [...faults, ...faults, ...faults, 'broker-outage'] }
          : { ...short, broker, faults },
      )
      console.log(summarize(report))
      expect(report.violations).toEqual([])
      expect(report.verdict.units.ended).toBeGreaterThan(broker === 'redis' ? 4000 : 1000)
      for (const kind of faults) expect(report.faults.map((fault) => fault.kind)).toContain(kind)
    },
  )

  it.skipIf(!present || !nightly)(
    'WORK-19: without faults nothing runs twice at all',
    { timeout: 120_000 },
    async () => {
      const report = await runCampaign({ ...short, broker, faults: [] })
      console.log(summarize(report))
      expect(report.violations).toEqual([])
      expect(report.verdict.repeated.size).toBe(0)
    },
  )

  it.skipIf(!present || !nightly)(
    'WORK-19: a broker that is away for longer than a publish waits',
    { timeout: 240_000 },
    async () => {
      const report = await runCampaign({
        ...short,
        broker,
        durationMs: 60_000,
        faults: ['broker-outage'],
        faultEveryMs: 25_000,
        drainMs: 60_000,
      })
      console.log(summarize(report))
      expect(report.violations).toEqual([])
    },
  )
})
