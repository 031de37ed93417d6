/**
 * Workflows of ct, of Celery and of BullMQ's flows, side by side: `pnpm --filter @ct-tools/bench bench:workflows [--rounds 3] [--only chord,chain] [--write]`.
 * Rounds are interleaved, each run is a fresh process on a flushed Redis, which runs the shape once when it has just started and then several times more, for
 * what it takes when it is warm: the median of the later half of those. Figures are medians over the rounds. `--write` puts the table into docs/benchmarks.md
 * and draws the warm ones.
 */
import { execFile } from 'node:child_process'
import { readFile, writeFile } from 'node:fs/promises'
import { fileURLToPath } from 'node:url'
import { parseArgs, promisify } from 'node:util'
import { startPrivateRedis } from '@ct-tools/services'
import { median } from '../statistics.ts'
import { workflowContestants } from './contestants.ts'
import { drawWorkflows } from './draw-workflows.ts'
import { shapes, type Shape } from './shapes.ts'

const { values } = parseArgs({
  options: {
    rounds: { type: 'string', default: '3' },
    only: { type: 'string' },
    contestants: { type: 'string' },
    write: { type: 'boolean', default: false },
  },
})
const chosen = (Object.keys(shapes) as Shape[]).filter(
  (shape) => values.only?.split(',').includes(shape) ?? true,
)
const taking = workflowContestants.filter(({ name }) => values.contestants?.split(',').includes(name) ?? true)
const script = fileURLToPath(new URL('run-one.ts', import.meta.url))
/** Of each round: when just started, and when warm. */
const seconds = new Map<string, { readonly young: number; readonly warm: number }[]>()
/** Longer than any that ends. */
const turnMs = 180_000

/** Seconds of each run in one process; undefined: it did not end (a client of Celery has been seen to wait for a result that had been stored). */
async function turnOf(name: string, shape: Shape): Promise<number[] | undefined> {
  const words = [...process.execArgv, '--no-warnings', script, name, shape, redis.url]
  try {
    const { stdout } = await promisify(execFile)(process.execPath, words, { timeout: turnMs })
    return JSON.parse(stdout.trim().split('\n').at(-1)!) as number[]
  } catch (error) {
    const { killed, stderr } = error as { readonly killed?: boolean; readonly stderr?: string }
    const why = killed ? `it did not end within ${turnMs / 1000} s` : `it failed\n${stderr ?? String(error)}`
    console.log(`${shape} · ${name}: left out, ${why}`)
    return undefined
  }
}

const redis = await startPrivateRedis({ args: ['--save', ''] })
try {
  for (let round = 0; round < Number(values.rounds); round += 1) {
    for (const shape of chosen) {
      for (let at = 0; at < taking.length; at += 1) {
        const { name } = taking[(at + round) % taking.length]!
        await redis.command('FLUSHALL')
        const turns = await turnOf(name, shape)
        if (turns === undefined) continue
        const took = { young: turns[0]!, warm: median(turns.slice(turns.length >> 1)) }
        const key = `${shape} ${name}`
        seconds.set(key, [...(seconds.get(key) ?? []), took])
        console.log(
          `${shape} · round ${round + 1} · ${name}: ${took.young.toFixed(3)} s, warm ${took.warm.toFixed(3)} s`,
        )
      }
    }
  }
} finally {
  await redis.stop()
}

type State = 'young' | 'warm'
const states: Readonly<Record<State, string>> = {
  young: 'In processes that have just started',
  warm: 'The same when they are warm',
}
const of = (shape: Shape, name: string, state: State): number | undefined => {
  const found = seconds.get(`${shape} ${name}`)
  return found === undefined ? undefined : median(found.map((one) => one[state]))
}
const shown = (value: number | undefined): string =>
  value === undefined ? '–' : value < 1 ? `${(value * 1000).toFixed(0)} ms` : `${value.toFixed(2)} s`
const times = (one: number | undefined, ct: number | undefined): string =>
  one === undefined || ct === undefined ? '–' : `${(one / ct).toFixed(1)}×`
const table = (Object.keys(states) as State[])
  .map((state) => {
    const rows = chosen.map((shape) => {
      const [ct, celery, bullmq] = ['ct', 'Celery', 'BullMQ'].map((name) => of(shape, name, state))
      return `| ${shapes[shape].title} | ${shown(ct)} | ${shown(celery)} | ${times(celery, ct)} | ${shown(bullmq)} | ${times(bullmq, ct)} |`
    })
    return [
      `${states[state]}:`,
      '',
      '| from the call to the last result | ct | Celery | ct is faster by | BullMQ flows | ct is faster by |',
      '|---|---|---|---|---|---|',
      ...rows,
    ].join('\n')
  })
  .join('\n\n')
console.log(`\n${table}\n`)
for (const { name, about } of taking) console.log(`${name}: ${about}`)
if (values.write) {
  const rows = chosen.map((shape) => ({
    title: shapes[shape].title,
    seconds: Object.fromEntries(
      taking.flatMap(({ name }) => {
        const took = of(shape, name, 'warm')
        return took === undefined ? [] : [[name, took]]
      }),
    ),
  }))
  const title = 'Workflows in warm processes, from the call to the last result'
  await writeFile(
    fileURLToPath(new URL('../../../../docs/images/bench-workflows.svg', import.meta.url)),
    drawWorkflows(title, rows),
  )
  const file = fileURLToPath(new URL('../../../../docs/benchmarks.md', import.meta.url))
  const page = await readFile(file, 'utf8')
  const [begin, end] = ['<!-- workflows:begin -->', '<!-- workflows:end -->']
  const text = `${begin}\n![${title}](images/bench-workflows.svg)\n\n${table}\n\n${taking.map(({ name, about }) => `- ${name}: ${about}`).join('\n')}\n${end}`
  await writeFile(
    file,
    page.replace(new RegExp(`${begin}[\\s\\S]*${end}`), () => text),
  )
}
