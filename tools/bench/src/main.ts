/**
 * ct against its peers, side by side in one run: `pnpm --filter @ct-tools/bench bench [--rounds 5] [--tasks 20000] [--only drain,send]
 * [--variants 100,150] [--write]`.
 *
 * Rounds are interleaved: in each round every contestant has its turn, in an order that rotates, each in a fresh process on a flushed Redis.
 * Figures are medians over the rounds. `--write` puts tables and charts into docs/benchmarks.md, and the figures into results/, so that
 * scenarios can be measured one by one: those of an earlier run stay. With `--more`, rounds are added to theirs.
 */
import { parseArgs } from 'node:util'
import { startPrivateRedis } from '@ct-tools/services'
import { contestants } from './contestants/index.ts'
import { writeReport } from './report.ts'
import { type Figure, scenarios } from './scenarios.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '5' },
    tasks: { type: 'string', default: '20000' },
    only: { type: 'string' },
    contestants: { type: 'string' },
    variants: { type: 'string' },
    write: { type: 'boolean', default: false },
    more: { type: 'boolean', default: false },
  },
})
const rounds = Number(values.rounds)
const tasks = Number(values.tasks)
const wantedScenarios = values.only?.split(',')
const wantedVariants = values.variants?.split(',')
const wantedContestants = values.contestants?.split(',')

const chosenScenarios = scenarios.filter((one) => wantedScenarios?.includes(one.name) ?? true)
const chosen = contestants.filter((one) => wantedContestants?.includes(one.name) ?? true)
const redis = await startPrivateRedis({ args: ['--save', ''] })
const figures: Figure[] = []
try {
  for (const scenario of chosenScenarios) {
    for (let round = 0; round < (scenario.once ? 1 : rounds); round += 1) {
      const order = chosen
        .map((_, index) => chosen[(index + round) % chosen.length])
        .filter((one) => one !== undefined)
      for (const contestant of order) {
        for (const variant of scenario.variants(contestant)) {
          if (variant !== '' && wantedVariants?.includes(variant) === false) continue
          await redis.command('FLUSHALL')
          await redis.command('CONFIG', 'RESETSTAT')
          const measured = await scenario.measure({ contestant, variant, redis, tasks })
          for (const figure of measured) {
            figures.push({ ...figure, scenario: scenario.name, contestant: contestant.name, variant, round })
            console.log(
              `${scenario.name} · round ${round + 1} · ${contestant.name}${variant === '' ? '' : ` (${variant})`} · ${figure.metric}: ${figure.value.toFixed(2)} ${figure.unit}`,
            )
          }
        }
      }
    }
  }
} finally {
  await redis.stop()
}
await writeReport(figures, {
  tasks,
  write: values.write,
  more: values.more,
  contestants,
  scenarios,
  server: 'Redis',
  variants: 'concurrency',
  part: 'figures',
})
