/** What a test app has sent, and assertions about it. */
import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import type { App } from '@ct/client'
import { ConfigurationError } from '@ct/contracts'
import { pingTask } from './ping-task.ts'
import type { SentTask } from './task-spy.ts'
import { spyOf } from './test-app.ts'

/** A task that a test app sent. */
export interface AppSentTask extends SentTask {
  /** The queue it went to; null when it went to an exchange that no queue of the app is bound to. */
  readonly queue: string | null
  readonly priority: number
  readonly retries: number
}

/** What is to be looked for; what is left out may be anything. */
export interface ExpectedSent {
  readonly args?: readonly unknown[]
  readonly kwargs?: Readonly<Record<string, unknown>>
  readonly id?: string
  readonly queue?: string | null
  readonly exchange?: string
  readonly routingKey?: string
  readonly priority?: number
  readonly retries?: number
  /** null: none. */
  readonly eta?: Date | null
  /** null: none. */
  readonly expires?: Date | null
  /** These headers, among others. */
  readonly headers?: Readonly<Record<string, unknown>>
}

/**
 * The tasks an app of `testApp` has sent since it was made or since `forgetSent`, oldest first: by callers, by tasks, and retries. Arguments
 * are decoded. Error: `CT_CONFIGURATION` for other apps, whose broker is not watched.
 */
export function sent(app: App): readonly AppSentTask[] {
  return watched(app)
    .sent.filter(({ name }) => name !== pingTask)
    .map((task) => {
      const { priority } = task.message.properties
      const retries = task.message.headers['retries']
      return {
        ...task,
        queue: queueOf(app, task),
        priority: priority ?? 0,
        retries: typeof retries === 'number' ? retries : 0,
      }
    })
}

/** Forgets what was sent so far. */
export function forgetSent(app: App): void {
  watched(app).clear()
}

/**
 * The last task of that name that fits; an `AssertionError` that lists what was sent where there is none.
 *
 * @example expectSent(app, 'mail.send', { args: ['a@example.org'], queue: 'mail' })
 */
export function expectSent(app: App, name: string, expected: ExpectedSent = {}): AppSentTask {
  const all = sent(app)
  const found = all.findLast((task) => task.name === name && mismatch(task, expected) === undefined)
  if (found !== undefined) return found
  const near = all
    .filter((task) => task.name === name)
    .map((task) => `\n  ${mismatch(task, expected)!}`)
    .join('')
  const wanted = Object.keys(expected).length === 0 ? '' : ` with ${show(expected)}`
  return assert.fail(
    `No task ${name} was sent${wanted}. ${near === '' ? `Sent: ${list(all)}` : `Others of that name:${near}`}`,
  )
}

/** An `AssertionError` when such a task was sent. */
export function expectNotSent(app: App, name: string, expected: ExpectedSent = {}): void {
  const found = sent(app).filter((task) => task.name === name && mismatch(task, expected) === undefined)
  if (found.length > 0) assert.fail(`Task ${name} should not have been sent, but was: ${list(found)}`)
}

/** Names of the fields that differ, with both values; undefined when it fits. */
function mismatch(task: AppSentTask, expected: ExpectedSent): string | undefined {
  const differences: string[] = []
  const compare = (field: string, is: unknown, wanted: unknown): void => {
    if (wanted !== undefined && !isDeepStrictEqual(plain(is), plain(wanted)))
      differences.push(`${field} is ${show(is)}, not ${show(wanted)}`)
  }
  for (const [field, wanted] of Object.entries(expected)) {
    if (field === 'eta' || field === 'expires') {
      const text = task[field]
      compare(field, text === null ? null : new Date(text), wanted)
    } else if (field === 'headers') {
      for (const [header, value] of Object.entries(expected.headers ?? {}))
        compare(`header ${header}`, task.message.headers[header], value)
    } else if (field in task) compare(field, task[field as keyof AppSentTask], wanted)
    else throw new ConfigurationError(`A sent task has no "${field}" to expect.`)
  }
  return differences.length === 0 ? undefined : differences.join('; ')
}

function queueOf(app: App, { exchange, routingKey }: SentTask): string | null {
  if (exchange === '') return routingKey
  const found = [...app.context.queues].find(
    (queue) => queue.exchange?.name === exchange && queue.routingKey === routingKey,
  )
  return found?.name ?? null
}

function watched(app: App): NonNullable<ReturnType<typeof spyOf>> {
  const spy = spyOf(app)
  if (spy !== undefined) return spy
  throw new ConfigurationError(
    'What this app sends is not kept. Make it with testApp(), or give it spyBroker(broker) and use expectTaskSent.',
  )
}

/** Decoded tables may have no prototype; what counts is what they hold. */
function plain(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? structuredClone(value) : value
}

function list(tasks: readonly AppSentTask[]): string {
  if (tasks.length === 0) return 'nothing.'
  return tasks.map(({ name, args, kwargs, queue }) => `\n  ${name} ${show({ args, kwargs, queue })}`).join('')
}

function show(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each))
}
