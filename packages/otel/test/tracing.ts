import { context, propagation, trace, type Link } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import {
  BasicTracerProvider,
  InMemorySpanExporter,
  SimpleSpanProcessor,
  type ReadableSpan,
} from '@opentelemetry/sdk-trace-base'

export interface Tracing {
  readonly provider: BasicTracerProvider
  /** The only one of that name; ended. */
  span(name: string): ReadableSpan
  spans(name?: string): ReadableSpan[]
  reset(): void
  end(): Promise<void>
}

/** OpenTelemetry's own SDK with W3C propagation, as a program sets it up; spans stay in memory. */
export function startTracing(): Tracing {
  const exporter = new InMemorySpanExporter()
  const provider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
  context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
  propagation.setGlobalPropagator(new W3CTraceContextPropagator())
  trace.setGlobalTracerProvider(provider)
  const spans = (name?: string): ReadableSpan[] =>
    exporter.getFinishedSpans().filter((span) => name === undefined || span.name === name)
  return {
    provider,
    spans,
    span(name) {
      const found = spans(name)
      if (found.length !== 1)
        throw new Error(
          `${found.length} spans ${name} among ${spans()
            .map((one) => one.name)
            .join(', ')}`,
        )
      return found[0]!
    },
    reset: () => exporter.reset(),
    async end() {
      context.disable()
      propagation.disable()
      trace.disable()
      await provider.shutdown()
    },
  }
}

export function linkIds({ links }: { readonly links: readonly Link[] }): string[] {
  return links.map((link) => link.context.spanId)
}
