/** Two bare child processes that share the hashing, without any queue: what the machine can do. `node hash-alone.ts <children> <tasks> <blocks>`. */
import { fork } from 'node:child_process'
import { once } from 'node:events'
import { hash } from './pool-tasks.ts'

const [children = 0, tasks = 0, blocks = 0] = process.argv.slice(2).map(Number)
if (children === 0) {
  process.send?.('ready')
  await once(process, 'message')
  for (let n = 0; n < tasks; n += 1) hash(blocks)
  process.exit(0)
}
const forked = Array.from({ length: children }, () =>
  fork(import.meta.filename, ['0', String(tasks / children), String(blocks)]),
)
await Promise.all(forked.map((child) => once(child, 'message')))
const start = performance.now()
for (const child of forked) child.send('go')
await Promise.all(forked.map((child) => once(child, 'exit')))
console.log(JSON.stringify({ seconds: (performance.now() - start) / 1000 }))
