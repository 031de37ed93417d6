/** One measurement in a process of its own: `node src/workflows/run-one.ts <contestant> <shape> <redis url>`. Prints the seconds of each turn. */
import { writeSync } from 'node:fs'
import { workflowContestants } from './contestants.ts'
import { shapes, type Shape } from './shapes.ts'

const [name, shape, redisUrl = ''] = process.argv.slice(2)
const contestant = workflowContestants.find((one) => one.name === name)
if (contestant === undefined || shape === undefined || !(shape in shapes))
  throw new Error('which contestant, and what?')
const seconds = await contestant.run(redisUrl, shape as Shape, shapes[shape as Shape])
writeSync(1, `${JSON.stringify(seconds)}\n`)
// Peers keep timers and connections of their own.
process.exit(0)
