/** Tasks of the test of pools, traced as a program would have it; loaded by the test, by the worker's threads and by its children. */
import { appendFileSync } from 'node:fs'
import { threadId } from 'node:worker_threads'
import { redis } from '@ct/broker-redis'
import { createApp } from '@ct/client'
import { context, propagation, trace } from '@opentelemetry/api'
import { AsyncLocalStorageContextManager } from '@opentelemetry/context-async-hooks'
import { W3CTraceContextPropagator } from '@opentelemetry/core'
import { BasicTracerProvider, BatchSpanProcessor, type ReadableSpan } from '@opentelemetry/sdk-trace-base'
import { CeleryInstrumentation } from '../src/index.ts'

/** A span as it was exported, a line of JSON each. */
export interface ExportedSpan {
  readonly name: string
  readonly trace: string
  readonly id: string
  readonly parent: string | null
  readonly links: readonly string[]
  /** Thread or process that made it. */
  readonly where: string
}

const url = process.env['CT_OTEL_TEST_REDIS'] ?? 'redis://localhost:1'
const file = process.env['CT_OTEL_TEST_SPANS']

/** Spans of all threads and processes, in one file. */
const exporter = {
  export(spans: readonly ReadableSpan[], done: (result: { code: number }) => void): void {
    for (const span of spans) {
      const exported: ExportedSpan = {
        name: span.name,
        trace: span.spanContext().traceId,
        id: span.spanContext().spanId,
        parent: span.parentSpanContext?.spanId ?? null,
        links: span.links.map((link) => link.context.spanId),
        where: `${process.pid}/${threadId}`,
      }
      if (file !== undefined) appendFileSync(file, `${JSON.stringify(exported)}\n`)
    }
    done({ code: 0 })
  },
  shutdown: () => Promise.resolve(),
}

context.setGlobalContextManager(new AsyncLocalStorageContextManager().enable())
propagation.setGlobalPropagator(new W3CTraceContextPropagator())
// Long enough that only the end of a slot brings its spans out.
export const provider = new BasicTracerProvider({
  spanProcessors: [new BatchSpanProcessor(exporter, { scheduledDelayMillis: 600_000 })],
})
trace.setGlobalTracerProvider(provider)
export const instrumentation = new CeleryInstrumentation()

export const app = createApp({
  name: 'traced',
  adapters: [redis],
  broker: url,
  backend: url,
  environment: {},
})
app.signals.workerProcessShutdown.connect(() => provider.shutdown())

app.task('traced.add', (x: number, y: number) => x + y)
app.task('traced.outer', async () => (await app.sendTask('traced.add', { args: [1, 1] })).id)
app.task('traced.flaky', { bind: true }, (task) => {
  if (task.request.retries === 0) throw task.retry({ countdown: 0 })
  return task.request.retries
})
