/** Types of tasks: the README's example, then what must not compile. */
import { expectTypeOf } from 'vitest'
import { createApp } from '../app/index.ts'
import type { AsyncResult } from '../result/index.ts'
import type { StandardSchema } from './standard-schema.ts'
import type { Task } from './task.ts'
import type { TaskContext } from './task-context.ts'

const app = createApp({ name: 'proj', broker: 'redis://localhost', backend: 'redis://localhost' })

const add = app.task('proj.add', (x: number, y: number) => x + y)
const fetchPage = app.task(
  'proj.fetch',
  { bind: true, maxRetries: 5, retryBackoff: true, timeLimit: 30 },
  async (task, url: string) => {
    expectTypeOf(task).toEqualTypeOf<TaskContext>()
    const response = await fetch(url, { signal: task.signal })
    if (response.status === 429) throw task.retry({ countdown: 10 })
    return response.text()
  },
)

// README
expectTypeOf(add.delay(2, 2)).resolves.toEqualTypeOf<AsyncResult<number>>()
expectTypeOf(
  add.delay(2, 2).then((result) => result.get({ timeoutMs: 10_000 })),
).resolves.toEqualTypeOf<number>()
expectTypeOf(
  app.sendTask('python.side.task', { args: [1], kwargs: { z: 2 }, queue: 'py' }),
).resolves.toEqualTypeOf<AsyncResult<unknown>>()
expectTypeOf(app.sendTask<string>('python.side.task')).resolves.toEqualTypeOf<AsyncResult<string>>()
expectTypeOf(fetchPage.delay('https://example.org')).resolves.toEqualTypeOf<AsyncResult<string>>()

// @ts-expect-error the client's app has no worker
app.worker({ concurrency: 50 })
// @ts-expect-error nor a beat
app.beat()

// Calling: the function's own types
expectTypeOf(add(2, 2)).toEqualTypeOf<number>()
expectTypeOf(fetchPage('https://example.org')).toEqualTypeOf<Promise<string>>()
// @ts-expect-error a text is no number
add(2, '2')
// @ts-expect-error one argument is missing
add(2)

// Sending
// @ts-expect-error a text is no number
void add.delay(2, '2')
// @ts-expect-error one argument is missing
void add.delay(2)
// @ts-expect-error one argument too many
void add.delay(2, 2, 2)
void add.applyAsync([2, 2], { countdown: 10, queue: 'images', signal: AbortSignal.timeout(1000) })
void add.applyAsync([2], { kwargs: { y: 2 } })
// @ts-expect-error arguments are missing
void add.applyAsync({ countdown: 10 })
// @ts-expect-error a text is no number
void add.applyAsync([2, '2'])
// @ts-expect-error there is no such option
void add.applyAsync([2, 2], { countDown: 10 })
// @ts-expect-error an eta is a date or ISO text
void add.applyAsync([2, 2], { eta: 10 })

// A result is not awaitable by accident
const handle = {} as AsyncResult<number>
expectTypeOf(handle).not.toHaveProperty('then')

// Parameters with defaults and rest parameters
const greet = app.task('proj.greet', (name: string, greeting = 'Hello') => `${greeting} ${name}`)
void greet.delay('you')
void greet.delay('you', 'Hi')
// @ts-expect-error a number is no text
void greet.delay('you', 1)
const total = app.task('proj.total', (...numbers: number[]) => numbers.length)
void total.delay()
void total.delay(1, 2, 3)
// @ts-expect-error a text is no number
void total.delay(1, '2')
const ping = app.task('proj.ping', () => 'pong' as const)
void ping.delay()
void ping.applyAsync({ countdown: 1 })
expectTypeOf(ping.delay()).resolves.toEqualTypeOf<AsyncResult<'pong'>>()

// Names and options
function named(x: number): number {
  return x
}
expectTypeOf(app.task(named)).toEqualTypeOf<Task<[x: number], number, number>>()
app.task({ name: 'proj.named', rateLimit: '10/m' }, named)
// @ts-expect-error there is no such option
app.task('proj.typo', { maxRetry: 3 }, named)
// @ts-expect-error a handler with bind takes the context first
app.task('proj.bound', { bind: true }, named)
app.task('proj.errors', { autoretryFor: [TypeError, RangeError], throws: [URIError] }, named)

// A task fits where a looser one is wanted
const loose: Task<[x: number, y: number], number> = add
const looseAsync: Task<[url: string], string> = fetchPage
void [loose, looseAsync]

// Schemas
declare const pair: StandardSchema<[string, number], [Date, number]>
declare const mail: StandardSchema<{ to: string; copies?: number }, { to: string; copies: number }>
const paired = app.task('proj.paired', { args: pair }, (at, count) => {
  expectTypeOf(at).toEqualTypeOf<Date>()
  expectTypeOf(count).toEqualTypeOf<number>()
  return count
})
void paired.delay('2026-01-01', 1)
// @ts-expect-error what is sent is the schema's input
void paired.delay(new Date(), 1)
const send = app.task('mail.send', { kwargs: mail, params: ['to', 'copies'] }, async ({ to, copies }) => {
  expectTypeOf(copies).toEqualTypeOf<number>()
  return to
})
void send.delay({ to: 'you' })
expectTypeOf(send.delay({ to: 'you' })).resolves.toEqualTypeOf<AsyncResult<string>>()
// @ts-expect-error a field is missing
void send.delay({})
app.task('mail.bound', { kwargs: mail, bind: true }, (task, { to }) => {
  expectTypeOf(task).toEqualTypeOf<TaskContext>()
  return to
})

// Settings
createApp({
  taskAcksLate: true,
  taskRoutes: { 'image.*': 'images' },
  workerConcurrency: 'auto',
  resultExpires: null,
})
// @ts-expect-error there is no such setting
createApp({ taskAckLate: true })
// @ts-expect-error true is no number
createApp({ workerPrefetchMultiplier: true })
