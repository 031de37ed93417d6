/** How a task message is published: what is declared first, how often and how long it is tried, what monitors are told. */
import { ConfigurationError } from '@ct/contracts'
import type { SignatureOptions } from '@ct/contracts'
import type { AppContext } from '../app/context.ts'
import type { PublishOptions } from '../producer/index.ts'
import { Exchange, Queue } from '../routing/index.ts'
import type { Destination } from '../routing/index.ts'

interface Sent {
  readonly destination: Destination
  /** Of the message. */
  readonly headers: Readonly<Record<string, unknown>>
  readonly options: SignatureOptions
  readonly signal: AbortSignal | undefined
}

/** What the producer is told besides the message. Throws `CT_CONFIGURATION`. */
export function publishOptions(
  ctx: AppContext,
  { destination, headers, options, signal }: Sent,
): PublishOptions {
  const publish: { -readonly [K in keyof PublishOptions]: PublishOptions[K] } = {
    declare: destination.declare,
  }
  // A signature of others' may say anything there.
  const first: unknown = options['declare']
  if (Array.isArray(first)) {
    publish.declare = [...destination.declare, ...first.filter(Queue.isQueue).map((one) => one.declaration)]
    publish.exchanges = first.filter(Exchange.isExchange).map((one) => one.declaration)
  }
  if (signal !== undefined) publish.signal = signal
  if (destination.options.retry != null) publish.retry = destination.options.retry
  if (destination.options.retryPolicy != null) publish.retryPolicy = destination.options.retryPolicy
  const timeoutMs = options['publish_timeout_ms']
  if (timeoutMs !== undefined && timeoutMs !== null) {
    if (!(typeof timeoutMs === 'number' && timeoutMs > 0)) {
      throw new ConfigurationError('The calling option "publishTimeoutMs" must be a number above 0.')
    }
    publish.timeoutMs = timeoutMs
  }
  if (ctx.settings.taskSendSentEvent) publish.sentEvent = sentEvent(headers, destination)
  return publish
}

/** Fields of `task-sent` (EVT rows; celery/app/amqp.py 5.7). */
function sentEvent(
  headers: Readonly<Record<string, unknown>>,
  destination: Destination,
): Readonly<Record<string, unknown>> {
  return {
    uuid: headers['id'],
    root_id: headers['root_id'],
    parent_id: headers['parent_id'],
    name: headers['task'],
    args: headers['argsrepr'],
    kwargs: headers['kwargsrepr'],
    retries: headers['retries'],
    eta: headers['eta'],
    expires: headers['expires'],
    queue: destination.queueName ?? null,
    exchange: destination.exchange,
    routing_key: destination.routingKey,
  }
}
