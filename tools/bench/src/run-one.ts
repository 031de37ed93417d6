/**
 * One measurement in a process of its own: `node src/run-one.ts <contestant> <scenario> <redis url> <numbers…>`. Prints one line of JSON.
 * `serve` prints `ready` and runs until its standard input ends; then it prints its memory and CPU.
 */
import { once } from 'node:events'
import { writeSync } from 'node:fs'
import { Redis } from 'ioredis'
import { runChild } from './child.ts'
import { contestants } from './contestants/index.ts'

const [name = '', scenario = '', redisUrl = '', ...rest] = process.argv.slice(2)
const numbers = rest.map(Number)
const [first = 0, second = 0] = numbers
const contestant = contestants.find((one) => one.name === name)
if (contestant === undefined) throw new Error(`no contestant is called ${name}`)

/** By another process: this one only works. */
async function refill(): Promise<void> {
  const redis = new Redis(redisUrl)
  await redis.flushall()
  redis.disconnect()
  await runChild([name, 'fill', redisUrl, first])
}

/** Written in one go, because the process is ended right after. */
function print(value: unknown): void {
  writeSync(1, `${JSON.stringify(value)}\n`)
}

switch (scenario) {
  case 'fill':
    await contestant.fill(redisUrl, first)
    print({})
    break
  case 'drain':
    print(await contestant.drain(redisUrl, first, second))
    break
  case 'drainWarm':
    // The same three times before, so that what is measured runs compiled and on a heap of its size.
    for (let before = 0; before < 3; before += 1) {
      await contestant.drain(redisUrl, first, second)
      await refill()
    }
    print(await contestant.drain(redisUrl, first, second))
    break
  case 'send':
    print(await contestant.send?.(redisUrl, first, second))
    break
  case 'sendMany':
    print(await contestant.sendMany?.(redisUrl, first, second))
    break
  case 'roundTrips':
    print(await contestant.roundTrips?.(redisUrl, first))
    break
  case 'serve': {
    const served = await contestant.serve?.(redisUrl, first)
    print('ready')
    let asked = ''
    process.stdin.on('data', (chunk: Buffer) => {
      asked += chunk.toString()
      // `m` asks for memory after a collection, as often as one likes.
      while (asked.startsWith('m')) {
        asked = asked.slice(1)
        globalThis.gc?.()
        const { rss, heapUsed } = process.memoryUsage()
        const cpu = process.cpuUsage()
        print({ rss, heapUsed, cpuSeconds: (cpu.user + cpu.system) / 1e6 })
      }
    })
    await once(process.stdin, 'end')
    await served?.stop()
    break
  }
  default:
    throw new Error(`no scenario is called ${scenario}`)
}
// Peers keep timers and connections of their own; the figures are out.
process.exit(0)
