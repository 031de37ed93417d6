/**
 * One trace through a Python producer, a ct task and a Python task, with both SDKs and opentelemetry-instrumentation-celery: in both directions,
 * called from a task and linked by a chain.
 */
import { python, startPythonWorker, tryPython, type PythonClient, type PythonWorker } from '@ct-tools/interop'
import { freshRedis } from '@ct-tools/services'
import { redisBackend, redisBroker } from '@ct/broker-redis'
import { createApp, type App } from '@ct/client'
import { createWorker, type Worker } from '@ct/worker'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { startTracing, type Tracing } from '../test/tracing.ts'
import { CeleryInstrumentation } from './index.ts'

const ready = await tryPython('otel')

interface SpanOfTrace {
  readonly name: string
  readonly trace: string
  readonly id: string
  readonly parent: string | null
  readonly kind: string
}

const setup = `
from opentelemetry import trace
from opentelemetry.instrumentation.celery import CeleryInstrumentor
from opentelemetry.sdk.trace import TracerProvider
from opentelemetry.sdk.trace.export import SimpleSpanProcessor, SpanExporter, SpanExportResult

spans = []

class Kept(SpanExporter):
    def export(self, batch):
        for span in batch:
            context = span.get_span_context()
            fields = dict(name=span.name, trace=format(context.trace_id, '032x'), id=format(context.span_id, '016x'),
                          parent=format(span.parent.span_id, '016x') if span.parent else None, kind=span.kind.name)
            spans.append(fields)
            record(**fields)
        return SpanExportResult.SUCCESS

provider = TracerProvider()
provider.add_span_processor(SimpleSpanProcessor(Kept()))
trace.set_tracer_provider(provider)
CeleryInstrumentor().instrument()

@app.task(name='otel.py_add')
def py_add(x, y):
    return x + y

# Python's span of a publish ends only for tasks that the sender knows.
@app.task(name='otel.ct_relay')
def ct_relay(x): pass

@app.task(name='otel.ct_double')
def ct_double(x): pass
`

describe.skipIf(!ready)('one trace with opentelemetry-instrumentation-celery', () => {
  let tracing: Tracing
  let instrumentation: CeleryInstrumentation
  let app: App
  let worker: Worker
  let client: PythonClient
  let pythonWorker: PythonWorker

  beforeAll(async () => {
    const redis = await freshRedis()
    tracing = startTracing()
    instrumentation = new CeleryInstrumentation()
    app = createApp({
      name: 'interop',
      broker: redisBroker({ url: redis.url }),
      backend: redisBackend({ url: redis.url }),
    })
    app.configure({ taskRoutes: { 'otel.py_add': { queue: 'python' } } })
    app.task('otel.ct_relay', async (x: number) => {
      const sent = await app.sendTask('otel.py_add', { args: [x, 1] })
      return sent.id
    })
    app.task('otel.ct_double', (x: number) => x * 2)
    worker = createWorker(app, { withoutMingle: true })
    const config = { task_routes: { 'otel.py_add': { queue: 'python' } } }
    const side = { version: 'otel', broker: redis.url, backend: redis.url, config, setup } as const
    ;[pythonWorker, client] = await Promise.all([
      startPythonWorker({ ...side, queues: ['python'], pool: 'solo' }),
      python('otel', side),
      worker.start(),
    ])
  }, 120_000)

  afterAll(async () => {
    instrumentation?.disable()
    await worker?.stop()
    await app?.close()
    await client?.close()
    await pythonWorker?.[Symbol.asyncDispose]()
    await tracing?.end()
  })

  async function allSpans(): Promise<SpanOfTrace[]> {
    const here = tracing.spans().map((span) => ({
      name: span.name,
      trace: span.spanContext().traceId,
      id: span.spanContext().spanId,
      parent: span.parentSpanContext?.spanId ?? null,
      kind: ['INTERNAL', 'SERVER', 'CLIENT', 'PRODUCER', 'CONSUMER'][span.kind]!,
    }))
    const sent = await client.exec<SpanOfTrace[]>('spans')
    return [...here, ...sent, ...(pythonWorker.records as unknown as SpanOfTrace[])]
  }

  /** The spans of a trace from its root on, each with one child: which is what is to be shown. */
  async function path(traceId: string, length: number): Promise<string[]> {
    const found = await until(async () => {
      const spans = (await allSpans()).filter((span) => span.trace === traceId)
      return spans.length >= length ? spans : undefined
    })
    const names: string[] = []
    for (let at = found.find(({ parent }) => parent === null); at !== undefined;) {
      names.push(`${at.kind} ${at.name}`)
      const { id } = at
      at = found.find(({ parent }) => parent === id)
    }
    expect(found).toHaveLength(names.length)
    return names
  }

  const sendTraced = (canvas: string): Promise<{ id: string; trace: string }> =>
    client.exec(
      `
      with trace.get_tracer('test').start_as_current_span('request') as span:
          sent = (${canvas}).apply_async()
      {'id': sent.id, 'trace': format(span.get_span_context().trace_id, '032x')}
      `,
    )

  it('PAIN-46: a task that calls another: Python producer, ct task, Python task', async () => {
    const { id, trace } = await sendTraced('ct_relay.s(2)')
    const inner = await client.get<string>(id)
    expect(await client.get(inner)).toBe(3)
    expect(await path(trace, 5)).toEqual([
      'INTERNAL request',
      'PRODUCER apply_async/otel.ct_relay',
      'CONSUMER run/otel.ct_relay',
      'PRODUCER apply_async/otel.py_add',
      'CONSUMER run/otel.py_add',
    ])
  })

  it('a chain: Python task, ct task, Python task', async () => {
    const { id, trace } = await sendTraced('py_add.s(1, 1) | ct_double.s() | py_add.s(1)')
    expect(await client.get(id)).toBe(5)
    expect(await path(trace, 7)).toEqual([
      'INTERNAL request',
      'PRODUCER apply_async/otel.py_add',
      'CONSUMER run/otel.py_add',
      'PRODUCER apply_async/otel.ct_double',
      'CONSUMER run/otel.ct_double',
      'PRODUCER apply_async/otel.py_add',
      'CONSUMER run/otel.py_add',
    ])
  })
})

/** Spans of a task end after its result is stored. */
async function until<T>(look: () => Promise<T | undefined>): Promise<T> {
  const deadline = performance.now() + 15_000
  for (;;) {
    const found = await look()
    if (found !== undefined) return found
    if (performance.now() > deadline) throw new Error('The spans did not come.')
    await new Promise((resolve) => setTimeout(resolve, 20))
  }
}
