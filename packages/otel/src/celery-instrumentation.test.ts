import { memoryBackend, memoryBroker } from '@ct/broker-memory'
import { chain, createApp, Ignore, type App } from '@ct/client'
import { createWorker, type Worker } from '@ct/worker'
import { SpanKind, SpanStatusCode, trace } from '@opentelemetry/api'
import { BasicTracerProvider, InMemorySpanExporter, SimpleSpanProcessor } from '@opentelemetry/sdk-trace-base'
import { afterAll, afterEach, beforeAll, beforeEach, describe, expect, it } from 'vitest'
import { linkIds, startTracing, type Tracing } from '../test/tracing.ts'
import { CeleryInstrumentation } from './index.ts'

let tracing: Tracing
let app: App
let worker: Worker
let instrumentation: CeleryInstrumentation
let names = 0

beforeAll(() => {
  tracing = startTracing()
})
afterAll(() => tracing.end())

beforeEach(() => {
  const name = `otel-${process.pid}-${++names}`
  app = createApp({
    name: 'proj',
    broker: memoryBroker({ name }),
    backend: memoryBackend({ name }),
    logger: quiet,
  })
  instrumentation = new CeleryInstrumentation()
})
afterEach(async () => {
  instrumentation.disable()
  await worker.stop()
  await app.close()
  tracing.reset()
})

async function start(): Promise<void> {
  worker = createWorker(app, { hostname: 'w@host', withoutMingle: true })
  await worker.start()
}

describe('CeleryInstrumentation', () => {
  it('setConfig may name another provider', async () => {
    const exporter = new InMemorySpanExporter()
    const tracerProvider = new BasicTracerProvider({ spanProcessors: [new SimpleSpanProcessor(exporter)] })
    instrumentation.setConfig({ tracerProvider })
    const add = app.task('proj.add', (x: number, y: number) => x + y)
    await start()
    await (await add.delay(1, 1)).get()
    expect(tracing.spans()).toEqual([])
    expect(exporter.getFinishedSpans().map(({ name }) => name)).toContain('run/proj.add')
    await tracerProvider.shutdown()
  })

  it('a call, its run, and what the task sends: spans of one trace, each the child of the one before', async () => {
    const add = app.task('proj.add', (x: number, y: number) => x + y)
    const outer = app.task('proj.outer', async () => {
      await Promise.resolve()
      return (await add.delay(1, 1)).id
    })
    await start()
    const request = trace.getTracer('test').startSpan('request')
    const called = await tracing.provider.getTracer('test').startActiveSpan('GET /', async (span) => {
      try {
        return await outer.delay()
      } finally {
        span.end()
      }
    })
    request.end()
    const inner = app.asyncResult(await called.get())
    await inner.get()
    const path = ['GET /', 'apply_async/proj.outer', 'run/proj.outer', 'apply_async/proj.add', 'run/proj.add']
    const spans = path.map((name) => tracing.span(name))
    expect(new Set(spans.map((span) => span.spanContext().traceId)).size).toBe(1)
    spans.slice(1).forEach((span, index) => {
      expect(span.parentSpanContext?.spanId).toBe(spans[index]!.spanContext().spanId)
    })
    const [, sent, run] = spans
    expect(sent).toMatchObject({ kind: SpanKind.PRODUCER, status: { code: SpanStatusCode.UNSET } })
    expect(run).toMatchObject({ kind: SpanKind.CONSUMER, status: { code: SpanStatusCode.UNSET } })
    const shared = {
      'messaging.system': 'celery',
      'messaging.destination.name': 'celery',
      'messaging.message.id': called.id,
      'messaging.message.conversation_id': called.id,
      'celery.task_name': 'proj.outer',
    }
    expect(sent!.attributes).toEqual({
      ...shared,
      'messaging.operation.name': 'apply_async',
      'messaging.operation.type': 'send',
      'celery.action': 'apply_async',
    })
    expect(run!.attributes).toEqual({
      ...shared,
      'messaging.operation.name': 'run',
      'messaging.operation.type': 'process',
      'celery.action': 'run',
      'celery.hostname': 'w@host',
      'celery.state': 'SUCCESS',
    })
  })

  it('a chain: what the worker sends when a task has ended belongs to that task', async () => {
    const one = app.task('proj.one', () => 1)
    const more = app.task('proj.more', (x: number) => x + 1)
    await start()
    expect(await (await chain(one.s(), more.s()).delay()).get()).toBe(2)
    const sent = tracing.span('apply_async/proj.more')
    expect(sent.parentSpanContext?.spanId).toBe(tracing.span('run/proj.one').spanContext().spanId)
    expect(tracing.span('run/proj.more').parentSpanContext?.spanId).toBe(sent.spanContext().spanId)
  })

  it('a retry: no failure, its reason, and a link to the attempt before', async () => {
    let attempts = 0
    const flaky = app.task({ name: 'proj.flaky', bind: true }, (task) => {
      attempts += 1
      if (attempts === 1) throw task.retry({ exc: new Error('busy'), countdown: 0 })
      return attempts
    })
    await start()
    expect(await (await flaky.delay()).get()).toBe(2)
    const [first, second] = tracing.spans('run/proj.flaky')
    expect(first).toMatchObject({
      status: { code: SpanStatusCode.UNSET },
      attributes: { 'celery.state': 'RETRY', 'celery.retry.reason': 'Error: busy' },
      links: [],
    })
    expect(second!.attributes).toMatchObject({ 'celery.state': 'SUCCESS', 'celery.retries': 1 })
    expect(linkIds(second!)).toEqual([first!.spanContext().spanId])
    const [, copy] = tracing.spans('apply_async/proj.flaky')
    expect(copy!.parentSpanContext?.spanId).toBe(first!.spanContext().spanId)
    expect(second!.parentSpanContext?.spanId).toBe(copy!.spanContext().spanId)
  })

  it('failures have status and exception; errors that a task throws on purpose, and Ignore, do not', async () => {
    const fail = app.task('proj.fail', () => {
      throw new RangeError('out of range')
    })
    const expected = app.task({ name: 'proj.expected', throws: [RangeError] }, () => {
      throw new RangeError('as told')
    })
    const ignored = app.task('proj.ignored', () => {
      throw new Ignore()
    })
    const auto = app.task(
      { name: 'proj.auto', autoretryFor: [Error], retryKwargs: { countdown: 3600 } },
      () => {
        throw new Error('later')
      },
    )
    await start()
    await ignored.delay()
    await auto.delay()
    await expect(async () => await (await expected.delay()).get()).rejects.toThrow('as told')
    await expect(async () => await (await fail.delay()).get()).rejects.toThrow('out of range')
    const span = tracing.span('run/proj.fail')
    expect(span.status).toEqual({ code: SpanStatusCode.ERROR, message: 'out of range' })
    expect(span.attributes).toMatchObject({ 'celery.state': 'FAILURE', 'error.type': 'RangeError' })
    expect(span.events).toMatchObject([
      {
        name: 'exception',
        attributes: { 'exception.type': 'RangeError', 'exception.message': 'out of range' },
      },
    ])
    for (const [name, state] of [
      ['proj.expected', 'FAILURE'],
      ['proj.ignored', 'IGNORED'],
      ['proj.auto', 'RETRY'],
    ]) {
      const other = tracing.span(`run/${name}`)
      expect(other.attributes['celery.state']).toBe(state)
      expect(other.status.code).toBe(SpanStatusCode.UNSET)
      expect(other.events).toEqual([])
    }
  })

  it.each([
    ['what cannot be shown as text', () => Object.create(null) as unknown, 'Error'],
    ['nothing', () => undefined, 'Error'],
    ['a text', () => 'no', 'Error'],
  ])('a task that throws %s has a span that failed, and hurts nobody', async (_what, thrown, type) => {
    const uncaught: unknown[] = []
    const listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.on('uncaughtException', (error) => uncaught.push(error))
    try {
      const odd = app.task('proj.odd', () => {
        throw thrown()
      })
      await start()
      expect(await (await odd.delay()).get({ propagate: false, timeoutMs: 20_000 })).toBeInstanceOf(Error)
      const span = tracing.span('run/proj.odd')
      expect(span.status.code).toBe(SpanStatusCode.ERROR)
      expect(span.attributes).toMatchObject({ 'celery.state': 'FAILURE', 'error.type': type })
      await new Promise(setImmediate)
      expect(uncaught).toEqual([])
    } finally {
      process.removeAllListeners('uncaughtException')
      for (const listener of listeners) process.on('uncaughtException', listener)
    }
  })

  it('what cannot be sent is a failed producer span', async () => {
    await start()
    await expect(app.sendTask('proj.none', { signal: AbortSignal.abort() })).rejects.toMatchObject({
      code: 'CT_ABORTED',
    })
    expect(tracing.span('apply_async/proj.none').status.code).toBe(SpanStatusCode.ERROR)
  })

  it('useSpanLinks: a run is a trace of its own, linked to its publishing', async () => {
    instrumentation.setConfig({ useSpanLinks: true })
    const add = app.task('proj.add', (x: number, y: number) => x + y)
    await start()
    await (await add.delay(1, 1)).get()
    const sent = tracing.span('apply_async/proj.add')
    const run = tracing.span('run/proj.add')
    expect(run.spanContext().traceId).not.toBe(sent.spanContext().traceId)
    expect(run.parentSpanContext).toBeUndefined()
    expect(linkIds(run)).toEqual([sent.spanContext().spanId])
  })

  it('disable ends it, enable begins again; unknown options are refused', async () => {
    const add = app.task('proj.add', (x: number, y: number) => x + y)
    await start()
    instrumentation.disable()
    await (await add.delay(1, 1)).get()
    expect(tracing.spans()).toEqual([])
    instrumentation.enable()
    await (await add.delay(1, 1)).get()
    expect(tracing.spans()).toHaveLength(2)
    expect(() => new CeleryInstrumentation({ useSpanLink: true } as never)).toThrow(
      'CeleryInstrumentation has no option "useSpanLink". Did you mean "useSpanLinks"?',
    )
  })
})

const quiet = {
  debug: (): void => {},
  info: (): void => {},
  warn: (): void => {},
  error: (): void => {},
  critical: (): void => {},
  child: () => quiet,
}
