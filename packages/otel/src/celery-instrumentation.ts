/**
 * Spans over ct's diagnostics channels, joined with those of Python's opentelemetry-instrumentation-celery 0.66b2: the same span
 * names, and the context in the same place, the headers of the message.
 *
 *   apply_async/<task>  PRODUCER   ct:task:publish start ─► asyncEnd          context injected into the headers
 *   run/<task>          CONSUMER   ct:task:run start     ─► end or asyncEnd   context extracted from the headers, active in the task's code
 *
 * What a worker sends when a task has ended (its retry, the next task of a chain, callbacks) has that task's span as its parent, as in Python, where
 * it is sent inside of the span.
 */
import type { TracingChannelSubscribers } from 'node:diagnostics_channel'
import type { AsyncLocalStorage } from 'node:async_hooks'
import {
  diagnostics,
  type TaskPublishMessage,
  type TaskReceiveMessage,
  type TaskReturnMessage,
  type TaskRunMessage,
} from '@ct/client'
import {
  context,
  propagation,
  SpanKind,
  SpanStatusCode,
  trace,
  type Context,
  type Link,
  type Span,
  type Tracer,
  type TracerProvider,
} from '@opentelemetry/api'
import { publishAttributes, runAttributes } from './attributes.ts'
import { checkedConfig } from './checked-config.ts'
import { describeEnd } from './run-end.ts'
import { KnownSpans, previousAttemptHeader } from './known-spans.ts'
import { textOf } from './text-of.ts'
import { otelVersion } from './version.ts'

export interface CeleryInstrumentationConfig {
  /** Default true: instruments as soon as it is made. */
  readonly enabled?: boolean
  /** Default: the global one, whichever it is when a span begins. */
  readonly tracerProvider?: TracerProvider
  /**
   * A run is a trace of its own that is linked to the span of its publishing, instead of a child of it; as `use_span_links` in Python.
   * Default false.
   */
  readonly useSpanLinks?: boolean
}

const name = '@ct/otel'
const nothing = (): void => undefined

/**
 * Traces what this process sends and runs. It has the shape of OpenTelemetry's `Instrumentation`, so that `registerInstrumentations` and
 * `NodeSDK` take it. In threads and child processes, load the module that makes it with the tasks. Errors: `CT_CONFIGURATION`.
 */
export class CeleryInstrumentation {
  readonly instrumentationName: string = name
  readonly instrumentationVersion: string = otelVersion
  #config: CeleryInstrumentationConfig
  #provider: TracerProvider | undefined
  #enabled = false
  readonly #known = new KnownSpans()
  readonly #publishes = new WeakMap<TaskPublishMessage, Span>()
  readonly #runs = new WeakMap<TaskRunMessage, Span>()

  constructor(config: CeleryInstrumentationConfig = {}) {
    this.#config = checkedConfig(config)
    this.#provider = config.tracerProvider
    if (config.enabled !== false) this.enable()
  }

  enable(): void {
    if (this.#enabled) return
    this.#enabled = true
    diagnostics.taskPublish.subscribe(this.#publishing)
    diagnostics.taskReceive.subscribe(this.#received)
    diagnostics.taskReturn.subscribe(this.#returned)
    diagnostics.taskRun.subscribe(this.#running)
    diagnostics.taskRun.start.bindStore(this.#active, (message) => this.#begin(message))
  }

  disable(): void {
    if (!this.#enabled) return
    this.#enabled = false
    diagnostics.taskPublish.unsubscribe(this.#publishing)
    diagnostics.taskReceive.unsubscribe(this.#received)
    diagnostics.taskReturn.unsubscribe(this.#returned)
    diagnostics.taskRun.unsubscribe(this.#running)
    diagnostics.taskRun.start.unbindStore(this.#active)
    this.#known.clear()
  }

  setTracerProvider(provider: TracerProvider): void {
    this.#provider = provider
  }

  /** Spans are all that it makes; there are no metrics. */
  setMeterProvider(_provider: unknown): void {}

  /** A `tracerProvider` takes the place of the one before; `enabled` is only read by the constructor. */
  setConfig(config: CeleryInstrumentationConfig): void {
    this.#config = checkedConfig(config)
    if (config.tracerProvider !== undefined) this.#provider = config.tracerProvider
  }

  getConfig(): CeleryInstrumentationConfig {
    return this.#config
  }

  get #tracer(): Tracer {
    return (this.#provider ?? trace).getTracer(name, otelVersion)
  }

  // ---- publishing ----------------------------------------------------------------------------------------------------

  readonly #publishing: TracingChannelSubscribers<TaskPublishMessage> = {
    start: (message) => this.#publish(message),
    end: nothing,
    asyncStart: nothing,
    asyncEnd: (message) => {
      this.#publishes.get(message)?.end()
      this.#publishes.delete(message)
    },
    error: (message) => {
      const span = this.#publishes.get(message)
      if (span !== undefined) failed(span, message.error)
    },
  }

  #publish(message: TaskPublishMessage): void {
    const { headers, retries, taskId } = message
    const previous = retries > 0 ? this.#known.of(taskId) : undefined
    const parent = this.#parentOf(message)
    const attributes = publishAttributes(message)
    const span = this.#tracer.startSpan(
      `apply_async/${message.task}`,
      { kind: SpanKind.PRODUCER, attributes },
      parent,
    )
    this.#publishes.set(message, span)
    propagation.inject(trace.setSpan(parent, span), headers)
    delete headers[previousAttemptHeader]
    if (previous !== undefined) headers[previousAttemptHeader] = previous.header
  }

  /** The active span; without one, for what a worker sends when a task has ended, that task's. */
  #parentOf({ headers, retries, taskId }: TaskPublishMessage): Context {
    const active = context.active()
    if (trace.getSpan(active) !== undefined) return active
    const known = this.#known.of(retries > 0 ? taskId : headers['parent_id'])
    if (known !== undefined) return trace.setSpanContext(active, known.spanContext)
    // The copy of a message that was received elsewhere still has the context it came with.
    return retries > 0 ? propagation.extract(active, headers) : active
  }

  // ---- running -------------------------------------------------------------------------------------------------------

  /** Where tasks run in threads or child processes, this is what the worker's main thread knows of the trace until the run has ended. */
  readonly #received = (message: unknown): void => {
    const { taskId, headers } = message as TaskReceiveMessage
    this.#known.add(taskId, trace.getSpanContext(propagation.extract(context.active(), headers)))
  }

  /** The span of a run in a thread or child: what is sent after it is its child, and a retry is linked to it. */
  readonly #returned = (message: unknown): void => {
    const { taskId, carried } = message as TaskReturnMessage
    const spanContext = trace.getSpanContext(propagation.extract(context.active(), carried))
    if (spanContext !== undefined) this.#known.add(taskId, spanContext)
  }

  /** Puts a run's context where the SDK's context manager has it. */
  readonly #active = {
    run: <R>(active: Context, run: () => R): R => context.with(active, run),
  } as unknown as AsyncLocalStorage<unknown>

  #begin(message: TaskRunMessage): Context {
    const { headers, task, taskId } = message
    const active = context.active()
    const sent = propagation.extract(active, headers)
    const producer = trace.getSpanContext(sent)
    const links: Link[] = KnownSpans.linksTo(headers[previousAttemptHeader], message.request.retries)
    const apart = this.#config.useSpanLinks === true
    if (apart && producer !== undefined) links.unshift({ context: producer })
    const parent = apart ? trace.deleteSpan(active) : sent
    const span = this.#tracer.startSpan(
      `run/${task.name}`,
      { kind: SpanKind.CONSUMER, links, attributes: runAttributes(message) },
      parent,
    )
    this.#runs.set(message, span)
    this.#known.add(taskId, span.spanContext())
    const running = trace.setSpan(parent, span)
    if (message.carried !== undefined) propagation.inject(running, message.carried)
    return running
  }

  readonly #running: TracingChannelSubscribers<TaskRunMessage> = {
    start: nothing,
    // A task that awaits has not ended yet.
    end: (message) => {
      if ('result' in message || 'error' in message) this.#end(message)
    },
    asyncStart: nothing,
    asyncEnd: (message) => this.#end(message),
    error: nothing,
  }

  #end(message: TaskRunMessage): void {
    const span = this.#runs.get(message)
    if (span === undefined) return
    this.#runs.delete(message)
    const { state, reason, error } = describeEnd(message)
    span.setAttribute('celery.state', state)
    if (reason !== undefined) span.setAttribute('celery.retry.reason', reason)
    if (error !== undefined) failed(span, error)
    span.end()
  }
}

function failed(span: Span, error: unknown): void {
  const thrown = error instanceof Error ? error : new Error(textOf(error))
  span.recordException(thrown)
  span.setAttribute('error.type', thrown.name)
  span.setStatus({ code: SpanStatusCode.ERROR, message: thrown.message })
}
