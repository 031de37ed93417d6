/** The judge by hand: `main.ts [--seed n] [--trees n] [--broker redis|rabbitmq] [--defaults ct|celery] [--no-shrink] [--no-replace] [--known]`. */
import { parseArgs } from 'node:util'
import { knownTrees } from './known-trees.ts'
import { judge, summarize } from './judge.ts'

const { values } = parseArgs({
  options: {
    seed: { type: 'string', default: '1' },
    trees: { type: 'string', default: '100' },
    broker: { type: 'string', default: 'redis' },
    defaults: { type: 'string', default: 'ct' },
    batch: { type: 'string', default: '100' },
    'no-shrink': { type: 'boolean', default: false },
    known: { type: 'boolean', default: false },
    'no-replace': { type: 'boolean', default: false },
  },
})
const report = await judge({
  broker: values.broker === 'rabbitmq' ? 'rabbitmq' : 'redis',
  defaults: values.defaults === 'celery' ? 'celery' : 'ct',
  seed: Number(values.seed),
  known: values.known ? knownTrees : [],
  trees: Number(values.trees),
  batch: Number(values.batch),
  shrinks: !values['no-shrink'],
  generate: { replaces: !values['no-replace'] },
  log: (line) => console.error(line),
})
console.log(summarize(report))
process.exitCode = report.differences.length > 0 ? 1 : 0
