/** Nothing lost in a fleet of ct and Celery 5.7 workers and producers, on one broker. The faults hit ct and the broker; Python is stopped warm. */
import { tryPython } from '@ct-tools/interop'
import { PrivateRabbit, tryServices } from '@ct-tools/services'
import { describe, expect, it } from 'vitest'
import { ctFaults, rabbitFaults, runCampaign, summarize, type CampaignOptions } from './index.ts'

const ready = (await tryServices(['redis'])) !== undefined && (await tryPython('5.7'))
const brokers = [
  { broker: 'redis', faults: ctFaults, present: ready },
  { broker: 'rabbitmq', faults: rabbitFaults, present: ready && PrivateRabbit.isInstalled },
] as const
const nightly = process.env['CT_NIGHTLY'] !== undefined

const short: Omit<CampaignOptions, 'faults'> = {
  seed: 22,
  orders: 1200,
  durationMs: 16_000,
  faultEveryMs: 1200,
  ctWorkers: 2,
  pythonWorkers: 1,
  pythonOrders: 150,
}
const long: Omit<CampaignOptions, 'faults'> = {
  ...short,
  seed: Date.now() % 1_000_000,
  orders: 20_000,
  durationMs: 400_000,
  faultEveryMs: 2500,
  ctWorkers: 3,
  pythonWorkers: 2,
  pythonOrders: 4000,
  drainMs: 120_000,
}

describe.for(brokers)('ledger of a mixed fleet on $broker', ({ broker, faults, present }) => {
  it.skipIf(!present)(
    'WORK-19: every confirmed task ends, whoever takes it, and what repeats is explained',
    { timeout: nightly ? 1_200_000 : 120_000 },
    async () => {
      const report = await runCampaign({ ...(nightly ? long : short), broker, faults })
      console.log(summarize(report))
      expect(report.violations).toEqual([])
      expect(report.verdict.units.byLanguage.ct).toBeGreaterThan(1000)
      expect(report.verdict.units.byLanguage.py).toBeGreaterThan(200)
    },
  )

  it.skipIf(!present || !nightly)(
    'with Python workers killed, and the broker killed under them: what Celery loses is reported',
    { timeout: 900_000 },
    async () => {
      const report = await runCampaign({
        ...long,
        broker,
        orders: 8000,
        pythonOrders: 2000,
        durationMs: 180_000,
        faults: [...faults, 'python-kill', 'python-kill'],
        exposePython: true,
      })
      console.log(summarize(report))
      expect(report.verdict.units.ended).toBeGreaterThan(1000)
    },
  )
})
