/** One measurement in a process of its own: `node src/workflows/run-one.ts <contestant> <shape> <redis url>`. Prints the seconds. */
import { writeSync } from 'node:fs'
import { workflowContestants } from './contestants.ts'
import { shapes, type Shape } from './shapes.ts'

const [name, shape, redisUrl = ''] = process.argv.slice(2)
const contestant = workflowContestants.find((one) => one.name === name)
if (contestant === undefined || shape === undefined || !(shape in shapes))
  throw new Error('which contestant, and what?')
writeSync(1, `${await contestant.run(redisUrl, shape as Shape, shapes[shape as Shape].count)}\n`)
// Peers keep timers and connections of their own.
process.exit(0)
