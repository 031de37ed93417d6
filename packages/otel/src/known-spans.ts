import { TraceFlags, type Link, type SpanContext } from '@opentelemetry/api'

/** Of the message of a retry: the span of the attempt before, as a `traceparent`. Python ignores it. */
export const previousAttemptHeader = 'ct_previous_attempt'

interface Known {
  readonly spanContext: SpanContext
  /** As a header. */
  readonly header: string
}

/** Where a worker holds more messages than that, the oldest lose their place in the trace of what is sent after them. */
const most = 10_000

/** The spans of the tasks a worker has, by task id. */
export class KnownSpans {
  readonly #spans = new Map<string, SpanContext>()

  add(taskId: string, spanContext: SpanContext | undefined): void {
    this.#spans.delete(taskId)
    if (spanContext === undefined) return
    this.#spans.set(taskId, spanContext)
    if (this.#spans.size <= most) return
    for (const oldest of this.#spans.keys()) {
      this.#spans.delete(oldest)
      break
    }
  }

  of(taskId: unknown): Known | undefined {
    const spanContext = typeof taskId === 'string' ? this.#spans.get(taskId) : undefined
    if (spanContext === undefined) return undefined
    const flags = spanContext.traceFlags.toString(16).padStart(2, '0')
    return { spanContext, header: `00-${spanContext.traceId}-${spanContext.spanId}-${flags}` }
  }

  clear(): void {
    this.#spans.clear()
  }

  /** What the header names; nothing for a first attempt, and for a header that is not one of ours. */
  static linksTo(header: unknown, retries: number): Link[] {
    if (retries === 0 || typeof header !== 'string') return []
    const match = /^00-(?<traceId>[0-9a-f]{32})-(?<spanId>[0-9a-f]{16})-(?<flags>[0-9a-f]{2})$/.exec(header)
    if (match?.groups === undefined) return []
    const { traceId = '', spanId = '', flags = '' } = match.groups
    const traceFlags = Number.parseInt(flags, 16) & TraceFlags.SAMPLED
    return [
      {
        context: { traceId, spanId, traceFlags, isRemote: true },
        attributes: { 'celery.link': 'previous_attempt' },
      },
    ]
  }
}
