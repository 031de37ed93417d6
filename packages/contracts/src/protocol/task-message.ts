import type { HeaderTable } from '../message.ts'
import { RawJson } from '../serialization/index.ts'
import type { ChainSource } from './chain-source.ts'
import type { SignatureSource } from './signature-dict.ts'

/** The links a task carries in its body. null means none. */
export interface TaskEmbed {
  /** `link`: applied on success. */
  readonly callbacks: readonly SignatureSource[] | null
  /** `link_error`: applied on failure. */
  readonly errbacks: readonly SignatureSource[] | null
  /** Remaining steps of the chain **in reverse order**: the next step is the last element. With JSON one piece of source text. */
  readonly chain: ChainSource | null
  /** Body of the chord of which this task is a header member. */
  readonly chord: SignatureSource | null
}

export const emptyEmbed: TaskEmbed = Object.freeze({
  callbacks: null,
  errbacks: null,
  chain: null,
  chord: null,
})

/** How kombu writes {@link emptyEmbed}. */
export const emptyEmbedText = '{"callbacks": null, "errbacks": null, "chain": null, "chord": null}'
export const emptyEmbedJson: RawJson = RawJson.trusted(emptyEmbedText)

/** In the order in which Celery, and `buildTaskMessage`, write them. */
export const protocol2Headers: readonly string[] = [
  'lang',
  'task',
  'id',
  'shadow',
  'eta',
  'expires',
  'group',
  'group_index',
  'retries',
  'timelimit',
  'root_id',
  'parent_id',
  'argsrepr',
  'kwargsrepr',
  'origin',
  'ignore_result',
  'replaced_task_nesting',
  'stamped_headers',
  'stamps',
]

/**
 * Headers that protocol 2 defines; everything else in the table is the user's and reaches the task as `request.headers`
 * (celery/worker/request.py, celery/app/task.py Context 5.7).
 */
export const standardHeaders: ReadonlySet<string> = new Set([
  ...protocol2Headers,
  'compression',
  // Names a request has besides; a header of that name fills the field and is not a custom one.
  'args',
  'kwargs',
  'callbacks',
  'errbacks',
  'chain',
  'chord',
  'called_directly',
  'correlation_id',
  'delivery_info',
  'headers',
  'hostname',
  'is_eager',
  'logfile',
  'loglevel',
  'properties',
  'reply_to',
  'soft_time_limit',
  'time_limit',
  'taskset',
  'utc',
])

/**
 * A header of ct's beat, which Python passes on to the task and does not look at: the instant (ISO 8601) that the run was made for. The id of such
 * a task is made of that instant, so that a worker which finds a result under it has a second copy in its hands.
 */
export const scheduledAtHeader = 'ct_scheduled_at'

/** Set by RabbitMQ when it dead-letters; sent again they would look like a cycle, so retries drop them (since 5.6.3). */
export const deadLetterHeaders: ReadonlySet<string> = new Set([
  'x-death',
  'x-first-death-exchange',
  'x-first-death-queue',
  'x-first-death-reason',
  'x-last-death-exchange',
  'x-last-death-queue',
  'x-last-death-reason',
])

/** The user's headers out of a message's table, or null when there are none. Dead-letter headers are among them. */
export function customHeaders(headers: HeaderTable): Record<string, unknown> | null {
  let custom: [string, unknown][] | null = null
  for (const key of Object.keys(headers)) {
    if (!standardHeaders.has(key)) (custom ??= []).push([key, headers[key]])
  }
  return custom === null ? null : Object.fromEntries(custom)
}

/** {@link customHeaders} as a retry or replacement sends them on: without what the broker added. */
export function resendableHeaders(headers: HeaderTable): Record<string, unknown> | null {
  const custom = customHeaders(headers)
  if (custom === null) return null
  const kept = Object.entries(custom).filter(([key]) => !deadLetterHeaders.has(key) && key !== 'redelivered')
  return kept.length === 0 ? null : Object.fromEntries(kept)
}
