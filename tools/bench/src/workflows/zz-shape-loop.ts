import { ctWorkflows } from './ct-workflows.ts'
import { bullmqWorkflows } from './bullmq-workflows.ts'
import { shapes, type Shape } from './shapes.ts'
import { Redis } from 'ioredis'
const [url, shape, repeats, who] = process.argv.slice(2)
const redis = new Redis(url!)
await redis.flushall()
await redis.config('RESETSTAT')
const cpu0 = process.cpuUsage()
const info = async () =>
  Number(/used_cpu_user:([\d.]+)/.exec(await redis.info('cpu'))![1]) +
  Number(/used_cpu_sys:([\d.]+)/.exec(await redis.info('cpu'))![1])
const r0 = await info()
const times = await (who === 'b' ? bullmqWorkflows : ctWorkflows).run(url!, shape as Shape, {
  ...shapes[shape as Shape],
  repeats: Number(repeats),
})
const cpu = process.cpuUsage(cpu0)
console.log(times.map((t) => (t * 1000).toFixed(0)).join(' '))
console.log(
  'cpu of process ms a turn',
  ((cpu.user + cpu.system) / 1000 / (times.length + 0.2)).toFixed(1),
  'redis',
  ((((await info()) - r0) * 1000) / (times.length + 0.2)).toFixed(1),
)
const st = await redis.info('commandstats')
console.log(
  st
    .split('\n')
    .map((l) => /cmdstat_(\S+):calls=(\d+),usec=(\d+),usec_per_call=([\d.]+)/.exec(l))
    .filter((m) => m && Number(m[3]) > 3000)
    .map((m) => `${m![1]} ${(Number(m![2]) / (times.length + 0.2)).toFixed(0)}x ${m![4]}us`)
    .join(' | '),
)
process.exit(0)
