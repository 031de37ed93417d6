/** A campaign by hand: `main.ts [--broker redis|rabbitmq] [--seed n] [--orders n] [--seconds n] [--python n] [--kill-python] [--faults a,b] [--rounds n] [--keep folder]`. */
import { cpSync } from 'node:fs'
import { parseArgs } from 'node:util'
import { runCampaign } from './campaign.ts'
import { ctFaults, rabbitFaults, type FaultKind } from './faults.ts'
import { summarize } from './summary.ts'

const { values } = parseArgs({
  options: {
    broker: { type: 'string', default: 'redis' },
    seed: { type: 'string', default: '1' },
    orders: { type: 'string', default: '2000' },
    seconds: { type: 'string', default: '20' },
    every: { type: 'string', default: '1500' },
    python: { type: 'string', default: '0' },
    'kill-python': { type: 'boolean', default: false },
    faults: { type: 'string' },
    rounds: { type: 'string', default: '1' },
    keep: { type: 'string' },
  },
})
const broker = values.broker === 'rabbitmq' ? 'rabbitmq' : 'redis'
const all = broker === 'rabbitmq' ? rabbitFaults : ctFaults
const kinds = values.faults === undefined ? all : (values.faults.split(',').filter(Boolean) as FaultKind[])
const peers = Number(values.python)
for (let round = 0; round < Number(values.rounds); round += 1) {
  const report = await runCampaign({
    broker,
    seed: Number(values.seed) + round,
    orders: Number(values.orders),
    durationMs: Number(values.seconds) * 1000,
    faultEveryMs: Number(values.every),
    faults: values['kill-python'] ? [...kinds, 'python-kill'] : kinds,
    exposePython: values['kill-python'],
    pythonWorkers: peers,
    pythonOrders: peers > 0 ? Math.ceil(Number(values.orders) / 10) : 0,
    log: (line) => console.error(`  ${line}`),
  })
  console.log(summarize(report))
  if (values.keep !== undefined) cpSync(report.folder, values.keep, { recursive: true })
  if (report.violations.length > 0) process.exitCode = 1
}
