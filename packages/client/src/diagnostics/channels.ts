/**
 * What ct publishes on `node:diagnostics_channel`. A channel without a subscriber costs one question; what it would say is put
 * together only after. docs/reference/diagnostics.md lists the same, checked by a test.
 */
import { channel, tracingChannel } from 'node:diagnostics_channel'
import type { Channel, TracingChannel } from 'node:diagnostics_channel'
import type { App } from '../app/app.ts'
import type { RegisteredTask, TaskRequest } from '../task/index.ts'

/** One message of a task that is sent. The same object at each of its moments. */
export interface TaskPublishMessage {
  readonly app: App
  readonly task: string
  readonly taskId: string
  readonly exchange: string
  readonly routingKey: string
  /** 0 for a first attempt. */
  readonly retries: number
  /** Those of the message. What a subscriber of `start` changes is what is sent. */
  headers: Record<string, unknown>
  /** At `error`: why it was not sent. */
  error?: unknown
}

/** A task was received that is neither revoked nor expired. */
export interface TaskReceiveMessage {
  readonly app: App
  readonly taskId: string
  readonly task: string
  readonly queue: string
  /** Those of the message. */
  readonly headers: Readonly<Record<string, unknown>>
}

/** One run of a task's code. The same object at each of its moments. */
export interface TaskRunMessage {
  readonly app: App
  readonly taskId: string
  readonly task: RegisteredTask
  readonly request: TaskRequest
  /** Those of the message. */
  readonly headers: Readonly<Record<string, unknown>>
  readonly queue: string
  /** What it returned. */
  result?: unknown
  /** What it threw, `Retry`, `Ignore` and `Reject` included. */
  error?: unknown
  /** The error is one of the task's `throws`. */
  expected?: boolean
  /**
   * Only in threads and child processes of a pool: what a subscriber of `start` puts in here reaches the worker with the outcome, as
   * {@link TaskReturnMessage}, before anything is sent that follows from it.
   */
  readonly carried?: Record<string, string>
}

/** In the worker: a run in a thread or child process has ended, and something there left word. */
export interface TaskReturnMessage {
  readonly app: App
  readonly taskId: string
  readonly carried: Readonly<Record<string, string>>
}

/** An attempt to connect: to a broker or a result store. */
export interface ConnectionOpenMessage {
  /** For example `the broker redis://localhost`; no password in it. */
  readonly to: string
  /** 1 for the first since it was last connected. */
  readonly attempt: number
  error?: unknown
}

export interface ConnectionLostMessage {
  readonly to: string
  readonly error: Error
}

/** Channels with moments (`start`, `end`, `asyncStart`, `asyncEnd`, `error`), and plain ones, by name. */
export const channelTable = {
  'ct:task:publish': {
    kind: 'tracing',
    fields: ['app', 'task', 'taskId', 'exchange', 'routingKey', 'retries', 'headers', 'error'],
  },
  'ct:task:receive': { kind: 'plain', fields: ['app', 'taskId', 'task', 'queue', 'headers'] },
  'ct:task:run': {
    kind: 'tracing',
    fields: [
      'app',
      'taskId',
      'task',
      'request',
      'headers',
      'queue',
      'result',
      'error',
      'expected',
      'carried',
    ],
  },
  'ct:task:return': { kind: 'plain', fields: ['app', 'taskId', 'carried'] },
  'ct:connection:open': { kind: 'tracing', fields: ['to', 'attempt', 'error'] },
  'ct:connection:lost': { kind: 'plain', fields: ['to', 'error'] },
} as const satisfies Readonly<
  Record<string, { readonly kind: 'tracing' | 'plain'; readonly fields: readonly string[] }>
>

export type DiagnosticsChannel = keyof typeof channelTable

/** The channels themselves, with the types of what they carry. */
export const diagnostics: {
  readonly taskPublish: TracingChannel<unknown, TaskPublishMessage>
  readonly taskReceive: Channel<unknown, TaskReceiveMessage>
  readonly taskRun: TracingChannel<unknown, TaskRunMessage>
  readonly taskReturn: Channel<unknown, TaskReturnMessage>
  readonly connectionOpen: TracingChannel<unknown, ConnectionOpenMessage>
  readonly connectionLost: Channel<unknown, ConnectionLostMessage>
} = Object.freeze({
  taskPublish: tracingChannel<unknown, TaskPublishMessage>('ct:task:publish' satisfies DiagnosticsChannel),
  taskReceive: channel('ct:task:receive' satisfies DiagnosticsChannel) as Channel<
    unknown,
    TaskReceiveMessage
  >,
  taskRun: tracingChannel<unknown, TaskRunMessage>('ct:task:run' satisfies DiagnosticsChannel),
  taskReturn: channel('ct:task:return' satisfies DiagnosticsChannel) as Channel<unknown, TaskReturnMessage>,
  connectionOpen: tracingChannel<unknown, ConnectionOpenMessage>(
    'ct:connection:open' satisfies DiagnosticsChannel,
  ),
  connectionLost: channel('ct:connection:lost' satisfies DiagnosticsChannel) as Channel<
    unknown,
    ConnectionLostMessage
  >,
})
