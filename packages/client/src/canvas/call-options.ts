import type { SignatureSource } from '@ct/contracts'
import type { Exchange, Queue, RetryPolicy } from '../routing/index.ts'
import type { AnySignature } from './signature.ts'

/** A callback: a signature, a task, or a signature as data. */
export type Callback = AnySignature | { signature(): AnySignature } | SignatureSource

/** Options of one call (celery/app/base.py 5.7, `send_task`). Durations are seconds. What is not given follows task and settings. */
export interface CallOptions {
  /** Seconds from now before which the task does not start. */
  readonly countdown?: number | undefined
  /** Moment before which it does not start: a date, or ISO 8601 text. */
  readonly eta?: Date | string | undefined
  /** Seconds from now, or a moment, after which it is not run any more. null clears the task's own. */
  readonly expires?: number | Date | string | null | undefined
  /** 0…255; what more urgent means is the broker's. */
  readonly priority?: number | undefined
  readonly queue?: string | Queue | undefined
  readonly exchange?: string | undefined
  readonly exchangeType?: string | undefined
  readonly routingKey?: string | undefined
  /** Serializer of the body, by name. */
  readonly serializer?: string | undefined
  /** Compressor of the body, by name. */
  readonly compression?: string | null | undefined
  /** Further message headers; they win over Celery's own. */
  readonly headers?: Readonly<Record<string, unknown>> | undefined
  /** Further message properties, such as `MessageGroupId`. */
  readonly properties?: Readonly<Record<string, unknown>> | undefined
  /** What runs with the result. */
  readonly link?: Callback | readonly Callback[] | undefined
  /** What runs when the task fails. */
  readonly linkError?: Callback | readonly Callback[] | undefined
  /** Retry publishing. Default `taskPublishRetry`. */
  readonly retry?: boolean | undefined
  readonly retryPolicy?: Partial<RetryPolicy> | undefined
  /** Milliseconds this publish may take. Default the setting `publishTimeoutMs`. */
  readonly publishTimeoutMs?: number | undefined
  /** Any text; default: a random UUID. */
  readonly taskId?: string | undefined
  readonly ignoreResult?: boolean | undefined
  /** Hard limit; null clears the task's own. */
  readonly timeLimit?: number | null | undefined
  readonly softTimeLimit?: number | null | undefined
  /** Name shown in logs and monitors. */
  readonly shadow?: string | undefined
  readonly replyTo?: string | undefined
  readonly deliveryMode?: 1 | 2 | 'transient' | 'persistent' | undefined
  readonly mandatory?: boolean | undefined
  /** Queues and exchanges to declare first, besides the queue that it goes to. */
  readonly declare?: readonly (Queue | Exchange)[] | undefined
  /** Named values that travel with the task; workers can be told to revoke by them. */
  readonly stamps?: Readonly<Record<string, unknown>> | undefined
  /** Record it as a child of the running task. Default true. */
  readonly addToParent?: boolean | undefined
  /** Text shown for the arguments, to hide secrets. */
  readonly argsrepr?: string | undefined
  readonly kwargsrepr?: string | undefined
  /** Name to route by instead of the task's. */
  readonly routeName?: string | undefined
  readonly rootId?: string | null | undefined
  readonly parentId?: string | null | undefined
  readonly groupId?: string | null | undefined
  readonly groupIndex?: number | null | undefined
  /** Body of the chord the task is a part of. */
  readonly chord?: Callback | null | undefined
  /** Remaining steps, the last is next. */
  readonly chain?: readonly Callback[] | null | undefined
  readonly retries?: number | undefined
  readonly replacedTaskNesting?: number | undefined
  /** Gives up publishing; the promise rejects with `CT_ABORTED`. */
  readonly signal?: AbortSignal | undefined
}
