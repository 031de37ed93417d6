/** One measurement in a process of its own: `node src/rabbitmq/run-one.ts <contestant> <scenario> <url> <numbers…>`. Prints one line of JSON. */
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { rabbitContestants } from './contestants/index.ts'

const [name = '', scenario = '', url = '', ...rest] = process.argv.slice(2)
const [first = 0, second = 0] = rest.map(Number)
const contestant = rabbitContestants.find((one) => one.name === name)
if (contestant === undefined) throw new Error(`no contestant is called ${name}`)

/** Written in one go, because the process is ended right after. */
function print(value: unknown): void {
  writeSync(1, `${JSON.stringify(value)}\n`)
}

switch (scenario) {
  case 'drain':
    print(await contestant.drain?.(url, first, second))
    break
  case 'publish':
    print(await contestant.publish?.(url, first, second))
    break
  case 'serve': {
    const served = await contestant.serve?.(url)
    print('ready')
    await once(process.stdin.resume(), 'end')
    await served?.stop()
    break
  }
  default:
    throw new Error(`no scenario is called ${scenario}`)
}
process.exit(0)
