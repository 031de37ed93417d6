import type { IncomingMessage, ServerResponse } from 'node:http'
import { monitorEventLoopDelay } from 'node:perf_hooks'
import { ConfigurationError, diagnostics, didYouMean, type App, type TaskReceiveMessage } from '@ct/client'
import type { TaskEvent, Worker } from '@ct/worker'
import { Counter, Gauge, Histogram, Registry } from 'prom-client'
import { metricTable, type MetricName } from './metric-table.ts'
import { OpenTasks } from './open-tasks.ts'

export interface MetricsOptions {
  /** Where the metrics are registered. Default: a registry of their own. */
  readonly registry?: Registry
  /** Upper bounds of `ct_task_runtime_seconds` and `ct_task_wait_seconds`, in seconds, rising. Default: 5 ms to 5 minutes. */
  readonly buckets?: readonly number[]
}

const defaultBuckets = [0.005, 0.01, 0.025, 0.05, 0.1, 0.25, 0.5, 1, 2.5, 5, 10, 30, 60, 300]
const known = ['registry', 'buckets']

type NamesOf<K> = {
  [N in MetricName]: (typeof metricTable)[N]['kind'] extends K ? N : never
}[MetricName]

/**
 * Prometheus metrics of one process: what apps send, and what workers do. Counts come from a signal and from the worker's own events, so
 * they are the same in every pool. Errors: `CT_CONFIGURATION`.
 *
 * ```ts
 * const metrics = new Metrics()
 * metrics.watchApp(app)
 * metrics.watchWorker(worker)
 * createServer(metrics.handler).listen(9090)
 * ```
 */
export class Metrics implements Disposable {
  readonly registry: Registry
  readonly #buckets: readonly number[]
  readonly #counters = new Map<MetricName, Counter>()
  readonly #histograms = new Map<MetricName, Histogram>()
  readonly #workers = new Set<Worker>()
  readonly #undo = new Set<() => void>()
  readonly #delay: ReturnType<typeof monitorEventLoopDelay>

  constructor(options: MetricsOptions = {}) {
    for (const key of Object.keys(options)) {
      if (!known.includes(key))
        throw new ConfigurationError(
          `Metrics has no option "${key}".${didYouMean(key, known)} It takes ${known.join(', ')}.`,
        )
    }
    this.registry = options.registry ?? new Registry()
    this.#buckets = options.buckets ?? defaultBuckets
    if (this.#buckets.length === 0 || this.#buckets.some((one, at) => !(one > (this.#buckets[at - 1] ?? 0))))
      throw new ConfigurationError('The option "buckets" must be numbers above 0, rising.')
    const taken = Object.keys(metricTable).find((name) => this.registry.getSingleMetric(name) !== undefined)
    if (taken !== undefined) {
      throw new ConfigurationError(
        `The registry has metrics of ct already (${taken}): one Metrics watches all apps and workers of a process. Close the other one first, or give this one a registry of its own.`,
      )
    }
    this.#delay = monitorEventLoopDelay({ resolution: 10 })
    this.#delay.enable()
    for (const name of Object.keys(metricTable) as MetricName[]) this.#register(name)
  }

  /** Counts what the app sends. Returns what ends it. */
  watchApp(app: App): () => void {
    const sent = this.#counter('ct_tasks_sent_total')
    return this.#undoing(app.signals.afterTaskPublish.connect(({ sender }) => sent.inc({ task: sender })))
  }

  /** Counts what the worker does, from now on. Returns what ends it. */
  watchWorker(worker: Worker): () => void {
    const open = new OpenTasks()
    const started = (event: TaskEvent): void => {
      const begun = open.start(event.uuid)
      if (begun === undefined) return
      this.#counter('ct_tasks_started_total').inc({ task: begun.task })
      this.#histogram('ct_task_wait_seconds').observe({ task: begun.task }, begun.waitSeconds)
    }
    // The event that follows has the name that the message gives itself (`shadow`), which may be another one each time.
    let last: TaskReceiveMessage | undefined
    const naming = (message: unknown): void => {
      const received = message as TaskReceiveMessage
      if (received.app === worker.app) last = received
    }
    const received = (event: TaskEvent): void => {
      const { eta } = event as { readonly eta?: unknown }
      const task = last?.taskId === event.uuid ? last.task : 'unknown'
      open.receive(event.uuid, task, typeof eta === 'string' ? eta : null)
      this.#counter('ct_tasks_received_total').inc({ task })
    }
    const ended =
      (metric: NamesOf<'counter'>) =>
      ({ uuid }: TaskEvent): void => {
        const done = open.end(uuid)
        this.#counter(metric).inc({ task: done?.task ?? 'unknown' })
        if (done?.runtimeSeconds !== undefined)
          this.#histogram('ct_task_runtime_seconds').observe({ task: done.task }, done.runtimeSeconds)
      }
    const succeeded = ended('ct_tasks_succeeded_total')
    const failed = ended('ct_tasks_failed_total')
    const retried = ended('ct_tasks_retried_total')
    // The event of a revoked task does not name one that was revoked before it was received; the signal does.
    const gone = ({ uuid }: TaskEvent): void => void open.end(uuid)
    const untell = worker.app.signals.taskRevoked.connect(({ sender, request }) => {
      if (request.hostname === worker.hostname)
        this.#counter('ct_tasks_revoked_total').inc({ task: sender.name })
    })
    const rejected = ({ uuid, requeue }: TaskEvent): void => {
      this.#counter('ct_tasks_rejected_total').inc({ task: open.nameOf(uuid) ?? 'unknown' })
      // Otherwise a failure follows, which ends it.
      if (requeue === true) open.end(uuid)
    }
    diagnostics.taskReceive.subscribe(naming)
    worker.on('taskReceived', received).on('taskStarted', started)
    worker.on('taskSucceeded', succeeded).on('taskFailed', failed).on('taskRetried', retried)
    worker.on('taskRevoked', gone).on('taskCancelled', gone).on('taskRejected', rejected)
    this.#workers.add(worker)
    return this.#undoing(() => {
      this.#workers.delete(worker)
      untell()
      diagnostics.taskReceive.unsubscribe(naming)
      worker.off('taskReceived', received).off('taskStarted', started)
      worker.off('taskSucceeded', succeeded).off('taskFailed', failed).off('taskRetried', retried)
      worker.off('taskRevoked', gone).off('taskCancelled', gone).off('taskRejected', rejected)
    })
  }

  /** Answers `GET /metrics` in Prometheus' text format, for `http.createServer` and what takes its handlers; 404 for all else. */
  readonly handler = (request: IncomingMessage, response: ServerResponse): void => {
    const path = (request.url ?? '').split('?')[0]
    if (path !== '/metrics' || (request.method !== 'GET' && request.method !== 'HEAD')) {
      response.writeHead(404, { 'content-type': 'text/plain' }).end('The metrics are at /metrics.\n')
      return
    }
    this.registry.metrics().then(
      (text) => {
        response.writeHead(200, { 'content-type': this.registry.contentType })
        response.end(request.method === 'HEAD' ? undefined : text)
      },
      (error: unknown) => response.writeHead(500, { 'content-type': 'text/plain' }).end(`${String(error)}\n`),
    )
  }

  /** Watches nothing any more, and takes its metrics out of the registry. */
  close(): void {
    for (const undo of this.#undo) undo()
    this.#delay.disable()
    for (const name of Object.keys(metricTable)) this.registry.removeSingleMetric(name)
  }

  [Symbol.dispose](): void {
    this.close()
  }

  #undoing(undo: () => void): () => void {
    const once = (): void => {
      if (this.#undo.delete(once)) undo()
    }
    this.#undo.add(once)
    return once
  }

  #counter(name: NamesOf<'counter'>): Counter {
    return this.#counters.get(name)!
  }

  #histogram(name: NamesOf<'histogram'>): Histogram {
    return this.#histograms.get(name)!
  }

  #register(name: MetricName): void {
    const { kind, help, labels } = metricTable[name]
    const shared = { name, help, labelNames: [...labels], registers: [this.registry] }
    if (kind === 'counter') this.#counters.set(name, new Counter(shared))
    else if (kind === 'histogram')
      this.#histograms.set(name, new Histogram({ ...shared, buckets: [...this.#buckets] }))
    else this.#gauge(name as NamesOf<'gauge'>, shared)
  }

  /** Gauges are read when somebody scrapes. */
  #gauge(name: NamesOf<'gauge'>, shared: ConstructorParameters<typeof Gauge>[0]): void {
    const values: Readonly<Record<NamesOf<'gauge'>, (gauge: Gauge) => void>> = {
      ct_worker_active: (gauge) => this.#ofWorkers(gauge, (worker) => worker.counts.active),
      ct_worker_slots: (gauge) => this.#ofWorkers(gauge, (worker) => worker.concurrency),
      ct_worker_connected: (gauge) => this.#ofWorkers(gauge, (worker) => (worker.health().connected ? 1 : 0)),
      ct_event_loop_delay_seconds: (gauge) => this.#loopDelay(gauge),
    }
    const read = values[name]
    void new Gauge({
      ...shared,
      collect() {
        read(this as Gauge)
      },
    })
  }

  #ofWorkers(gauge: Gauge, value: (worker: Worker) => number): void {
    gauge.reset()
    for (const worker of this.#workers) gauge.set({ worker: worker.hostname }, value(worker))
  }

  #loopDelay(gauge: Gauge): void {
    const delay = this.#delay
    if (delay.count === 0) return
    gauge.set({ quantile: '0.5' }, delay.percentile(50) / 1e9)
    gauge.set({ quantile: '0.99' }, delay.percentile(99) / 1e9)
    gauge.set({ quantile: '1' }, delay.max / 1e9)
    delay.reset()
  }
}
