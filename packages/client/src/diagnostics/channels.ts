/**
 * What ct publishes on `node:diagnostics_channel`. A channel without a subscriber costs one question; what it would say is put
 * together only after. docs/reference/diagnostics.md lists the same, checked by a test.
 */
import { channel, tracingChannel } from 'node:diagnostics_channel'
import type { TracingChannelSubscribers } from 'node:diagnostics_channel'
import type { AsyncLocalStorage } from 'node:async_hooks'
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

/**
 * A channel of `node:diagnostics_channel`, as it is used with messages of one type. Not by Node's own name: the type parameters of that change
 * places between versions of `@types/node`, and these declarations are read with the version of whoever installs them.
 */
export interface MessageChannel<Message> {
  readonly name: string | symbol
  readonly hasSubscribers: boolean
  publish(message: Message): void
  subscribe(onMessage: (message: unknown, name: string | symbol) => void): void
  unsubscribe(onMessage: (message: unknown, name: string | symbol) => void): void
  /** From here on each message sets the store, to what `transform` makes of it, for as long as what it tells of goes on. */
  bindStore<Store>(store: AsyncLocalStorage<Store>, transform?: (message: Message) => Store): void
  unbindStore<Store>(store: AsyncLocalStorage<Store>): void
  runStores<Args extends readonly unknown[], Result>(
    message: Message,
    run: (...args: Args) => Result,
    self?: unknown,
    ...args: Args
  ): Result
}

/** A `TracingChannel` of `node:diagnostics_channel`: a {@link MessageChannel} for each moment. */
export interface MomentsChannel<Message extends object> {
  readonly start: MessageChannel<Message>
  readonly end: MessageChannel<Message>
  readonly asyncStart: MessageChannel<Message>
  readonly asyncEnd: MessageChannel<Message>
  readonly error: MessageChannel<Message>
  readonly hasSubscribers: boolean
  subscribe(subscribers: Partial<TracingChannelSubscribers<Message>>): void
  unsubscribe(subscribers: Partial<TracingChannelSubscribers<Message>>): void
  tracePromise<Result>(run: () => Promise<Result>, message: Message): Promise<Result>
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
  readonly taskPublish: MomentsChannel<TaskPublishMessage>
  readonly taskReceive: MessageChannel<TaskReceiveMessage>
  readonly taskRun: MomentsChannel<TaskRunMessage>
  readonly taskReturn: MessageChannel<TaskReturnMessage>
  readonly connectionOpen: MomentsChannel<ConnectionOpenMessage>
  readonly connectionLost: MessageChannel<ConnectionLostMessage>
} = Object.freeze({
  taskPublish: moments<TaskPublishMessage>('ct:task:publish'),
  taskReceive: messages<TaskReceiveMessage>('ct:task:receive'),
  taskRun: moments<TaskRunMessage>('ct:task:run'),
  taskReturn: messages<TaskReturnMessage>('ct:task:return'),
  connectionOpen: moments<ConnectionOpenMessage>('ct:connection:open'),
  connectionLost: messages<ConnectionLostMessage>('ct:connection:lost'),
})

function messages<Message>(name: DiagnosticsChannel): MessageChannel<Message> {
  return channel(name) as MessageChannel<unknown> as MessageChannel<Message>
}

/** By way of `unknown`, since in Node's own type the parameters stand in either order, by version. */
function moments<Message extends object>(name: DiagnosticsChannel): MomentsChannel<Message> {
  return tracingChannel<Message, Message>(name) as unknown as MomentsChannel<Message>
}
