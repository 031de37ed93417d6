/**
 * The main job: a worker, a client, and four kinds of tasks between them.
 *
 *   npm run demo                                     everything in this process
 *   npm run demo -- --broker redis://localhost      messages and results on Redis, the worker in its own process
 */
import { globSync } from 'node:fs'
import { join } from 'node:path'
import { parseArgs } from 'node:util'
import { chord, group, isCeleryError, type AsyncResult } from '@ct/core'
import { Board, type Job } from './board.ts'

const { values } = parseArgs({ options: { broker: { type: 'string', short: 'b' } } })
if (values.broker !== undefined) {
  // The worker's process gets them too.
  process.env['CELERY_BROKER_URL'] = values.broker
  process.env['CELERY_RESULT_BACKEND'] = values.broker
  process.env['CT_DEMO_QUEUE'] = `ct-demo-${process.pid}`
}
const { app, askService, countWords, render, sumUp } = await import('./tasks.ts')
const { workerHere, workerProcess } = await import('./workers.ts')

const titles = ['word count', 'retry', 'progress'] as const

async function showWordCount(job: Job): Promise<void> {
  const docs = join(import.meta.dirname, '../..')
  const files = globSync('{adr,adapters,contributing,getting-started,userguide}/*.md', { cwd: docs }).map(
    (name) => join(docs, name),
  )
  // Fanned out: a task per file. Summed up: `sumUp` runs when the last of them is done, wherever they ran.
  const result = await chord(group(files.map((file) => countWords.s(file))), sumUp.s()).applyAsync()
  let counted = 0
  for (const child of result.parent?.leafIds() ?? []) {
    app.asyncResult(child).onReady(() => {
      counted += 1
      job.update((counted / files.length) * 0.99, `${counted} of ${files.length} files`)
    })
  }
  const { words, most } = await result.get({ timeoutMs: 10_000 })
  const frequent = most.map(([word, count]) => `${word} ${count}`).join(', ')
  job.done(`${files.length} files, ${words} words; most often ${frequent}`)
}

async function showRetry(job: Job): Promise<void> {
  const result = await askService.delay('What is six times seven?')
  await follow(result, (state) => {
    if (state === 'RETRY') job.update(0.5, 'the service said 503; trying again in 0.2 s')
  })
  const { answer, attempts } = await result.get()
  job.done(`succeeded at attempt ${attempts}: ${answer}`)
}

async function showProgress(job: Job): Promise<void> {
  const result = await render.delay(20)
  await follow(result, (state, meta) => {
    if (state !== 'PROGRESS') return
    const { done, total } = meta as { readonly done: number; readonly total: number }
    job.update((done / total) * 0.99, `frame ${done} of ${total}`)
  })
  const { frames } = await result.get()
  job.done(`${frames} frames rendered`)
}

/** Every state the task goes through, as it is stored. */
async function follow(result: AsyncResult, onState: (state: string, meta: unknown) => void): Promise<void> {
  for await (const meta of result.iterate({ timeoutMs: 10_000 })) onState(meta.status, meta.result)
}

async function run(): Promise<void> {
  const started = performance.now()
  const { url } = app.context.broker.describe()
  // Says what is wrong with the broker before a worker is started on it.
  const connection = await app.context.producer.connection()
  await using worker = await (values.broker === undefined ? workerHere() : workerProcess())
  console.log(`ct demo: the client is here, the worker ${worker.where}, the messages on ${url}\n`)
  const board = new Board(titles)
  await Promise.all([
    showWordCount(board.job(titles[0])),
    showRetry(board.job(titles[1])),
    showProgress(board.job(titles[2])),
  ])
  console.log(`\nDone in ${((performance.now() - started) / 1000).toFixed(2)} s.`)
  if (values.broker !== undefined) await connection.deleteQueue(app.settings.taskDefaultQueue)
  console.log(
    values.broker === undefined
      ? 'Next: npm run demo -- --broker redis://localhost   the same on Redis, the worker in its own process'
      : `Next: npx ct worker -A docs/examples/demo/tasks.ts -b ${url} --result-backend ${url} -l info   a worker that stays
      docs/getting-started/first-steps.md   tasks of your own`,
  )
}

try {
  await run()
} catch (error) {
  if (!isCeleryError(error)) throw error
  console.error(`The demo cannot go on: ${error.message}`)
  process.exitCode = 1
} finally {
  await app.close()
}
