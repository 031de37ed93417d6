/**
 * ct against Celery and against plain amqplib on RabbitMQ, side by side in one run:
 * `pnpm --filter @ct-tools/bench bench:rabbitmq [--rounds 3] [--tasks 20000] [--only rabbit-drain] [--contestants ct] [--write]`.
 *
 * As main.ts does it for Redis: rounds are interleaved, every turn is a fresh process in a fresh virtual host, figures are medians.
 * `--write` puts tables and charts into docs/benchmarks.md.
 */
import { parseArgs } from 'node:util'
import { freshVhost } from '@ct-tools/services'
import { writeReport } from '../report.ts'
import type { Figure } from '../scenarios.ts'
import { rabbitContestants } from './contestants/index.ts'
import { rabbitScenarios } from './scenarios.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    tasks: { type: 'string', default: '20000' },
    only: { type: 'string' },
    contestants: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
})
const rounds = Number(values.rounds)
const tasks = Number(values.tasks)
const wanted = values.only?.split(',')
const names = values.contestants?.split(',')
const contestants = rabbitContestants.filter((one) => names?.includes(one.name) ?? true)
const scenarios = rabbitScenarios.filter((one) => wanted?.includes(one.name) ?? true)
const figures: Figure[] = []
for (const scenario of scenarios) {
  for (let round = 0; round < (scenario.once ? 1 : rounds); round += 1) {
    const order = contestants
      .map((_, index) => contestants[(index + round) % contestants.length])
      .filter((one) => one !== undefined)
    for (const contestant of order) {
      for (const variant of scenario.variants(contestant)) {
        await using vhost = await freshVhost()
        const measured = await scenario.measure({ contestant, variant, url: vhost.url, tasks })
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
await writeReport(figures, {
  tasks,
  write: values.write,
  contestants: rabbitContestants,
  scenarios: rabbitScenarios,
  server: 'RabbitMQ 3.10',
  variants: 'prefetch',
  part: 'figures of RabbitMQ',
})
