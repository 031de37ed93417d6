/** The tasks of the demo, in a module of their own: `ct worker -A tasks.ts` runs them too. */
import { readFile } from 'node:fs/promises'
import { setTimeout as pause } from 'node:timers/promises'
import { createApp } from '@ct/core'

export const app = createApp({
  name: 'demo',
  // Where the messages are; CELERY_BROKER_URL and CELERY_RESULT_BACKEND win over it.
  broker: 'memory://demo',
  backend: 'memory://demo',
  // A queue of its own, so that no other worker on that broker gets what it does not know; results go away by themselves.
  taskDefaultQueue: process.env['CT_DEMO_QUEUE'] ?? 'demo',
  resultExpires: 60,
  publishTimeoutMs: 3_000,
})

export type Counts = Readonly<Record<string, number>>

/** How often each word of four letters or more occurs in one file. */
export const countWords = app.task('demo.count_words', async (file: string): Promise<Counts> => {
  const words = (await readFile(file, 'utf8')).toLowerCase().match(/\p{L}{4,}/gu) ?? []
  const counts = new Map<string, number>()
  for (const word of words) counts.set(word, (counts.get(word) ?? 0) + 1)
  return Object.fromEntries(counts)
})

/** Body of the chord: runs once, with the results of all files. */
export const sumUp = app.task('demo.sum_up', (files: readonly Counts[]) => {
  const total = new Map<string, number>()
  for (const counts of files) {
    for (const [word, count] of Object.entries(counts)) total.set(word, (total.get(word) ?? 0) + count)
  }
  const words = [...total].sort(([, a], [, b]) => b - a)
  return {
    files: files.length,
    words: words.reduce((sum, [, count]) => sum + count, 0),
    most: words.slice(0, 5),
  }
})

/** Fails at first, as a service that is being restarted would, and succeeds when it is tried again. */
export const askService = app.task(
  'demo.ask_service',
  { bind: true, maxRetries: 3 },
  (task, question: string) => {
    if (task.request.retries === 0)
      throw task.retry({ countdown: 0.2, exc: new Error('503 Service Unavailable') })
    return { answer: `${question} 42`, attempts: task.request.retries + 1 }
  },
)

/** Tells how far it is; whoever holds the result sees it at once. */
export const render = app.task('demo.render', { bind: true }, async (task, frames: number) => {
  for (let done = 1; done <= frames; done += 1) {
    await pause(15, undefined, { signal: task.signal })
    await task.updateState('PROGRESS', { done, total: frames })
  }
  return { frames }
})
