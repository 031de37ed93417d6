import type { Broker, ExchangeDeclaration, QueueDeclaration } from '@ct/contracts'
import type { BackoffOptions } from '../connection/index.ts'
import type { RetryPolicy } from '../routing/index.ts'

/** The settings publishing obeys; defaults are those of ct. */
export interface ProducerSettings {
  /** Default true. */
  readonly taskPublishRetry?: boolean | undefined
  readonly taskPublishRetryPolicy?: Partial<RetryPolicy> | undefined
  /** Milliseconds for a publish, connecting, declaring and retries included; null: no limit. Default 10,000. */
  readonly publishTimeoutMs?: number | null | undefined
  /** Seconds for one attempt to connect. Default 4. */
  readonly brokerConnectionTimeout?: number | null | undefined
}

export interface ProducerOptions {
  /** Asked for at the first publish. */
  readonly broker: () => Broker
  readonly settings?: ProducerSettings | undefined
  /** Told of every message that was confirmed and came with `sentEvent`. */
  readonly onSent?: ((event: SentEvent) => void) | undefined
  readonly backoff?: BackoffOptions | undefined
}

/** Fields of a `task-sent` event. */
export type SentEvent = Readonly<Record<string, unknown>>

export interface PublishOptions {
  /** Declared first, once per connection. */
  readonly declare?: readonly QueueDeclaration[] | undefined
  /** As {@link declare}: for an exchange that nobody may have bound a queue to yet. */
  readonly exchanges?: readonly ExchangeDeclaration[] | undefined
  readonly signal?: AbortSignal | undefined
  /** Default `publishTimeoutMs`; null: no limit. */
  readonly timeoutMs?: number | null | undefined
  /** False: one attempt to connect and one to publish. Default `taskPublishRetry`. */
  readonly retry?: boolean | null | undefined
  /** Over `taskPublishRetryPolicy`. */
  readonly retryPolicy?: Partial<RetryPolicy> | null | undefined
  /** Reported to `onSent` when the message is confirmed. */
  readonly sentEvent?: SentEvent | undefined
}
