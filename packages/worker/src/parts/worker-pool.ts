/** The pool of a worker: started once, resized and restarted while it runs, stopped once, with the signals that go with it. */
import { pathToFileURL } from 'node:url'
import type { App } from '@ct/client'
import { ConfigurationError, type Pool } from '@ct/contracts'
import { Autoscaler, type AutoscalerOptions } from '../autoscaler.ts'
import { concurrencyFor, poolFor } from '../choices.ts'
import type { WorkerOptions } from '../options.ts'
import { startPool } from '../start-pool.ts'
import type { TraceServices } from '../trace/index.ts'

export interface WorkerPoolOptions {
  readonly app: App
  readonly hostname: string
  readonly options: WorkerOptions
  /** More or fewer slots than before. */
  readonly onResized: () => void
}

export class WorkerPool {
  readonly pool: Pool
  readonly #options: WorkerPoolOptions
  #started = false

  /** Errors: `CT_ADAPTER` with the package to install. */
  constructor(options: WorkerPoolOptions) {
    this.#options = options
    this.pool = poolFor(options.options, options.app.context)
  }

  /** Slots: those of the pool once it runs, before that those it will start with. */
  get concurrency(): number {
    const { app, options } = this.#options
    return this.pool.size > 0 ? this.pool.size : concurrencyFor(this.pool, options, app.context)
  }

  async start(services: TraceServices): Promise<void> {
    const { app, options, hostname } = this.#options
    await startPool({ pool: this.pool, size: this.concurrency, app, options, hostname, services })
    this.#started = true
  }

  /** Pools without processes of their own run tasks here: what children are told elsewhere is told once. */
  async tellStarted(): Promise<void> {
    if (!this.#isHere) return
    const { app, hostname } = this.#options
    await app.signals.workerProcessInit.send({ sender: hostname })
    if (this.pool.name === 'async') await app.signals.eventletPoolStarted.send({ sender: this.pool })
  }

  /** `cold`: slots that are idle are ended as hard as those that run something. */
  async close(cold: boolean): Promise<void> {
    const { app, hostname } = this.#options
    const { signals } = app
    const { pool } = this
    const isEventlet = this.#isHere && pool.name === 'async'
    if (isEventlet) await signals.eventletPoolPreshutdown.send({ sender: pool })
    // Threads and children that are idle end in good order: they have connections of their own.
    if (this.#started && !cold && pool.active === 0) await pool.stop()
    await pool.close()
    if (isEventlet) await signals.eventletPoolPostshutdown.send({ sender: pool })
    if (this.#isHere)
      await signals.workerProcessShutdown.send({ sender: hostname, pid: process.pid, exitcode: 0 })
  }

  async resize(by: number): Promise<void> {
    await (by > 0 ? this.pool.grow(by) : this.pool.shrink(-by))
    this.#options.onResized()
  }

  /** Pools with slots elsewhere replace them, which loads all modules afresh there; `onImported` is called before, with new tasks in the app. */
  async restart(modules: readonly string[], onImported: () => void): Promise<void> {
    const urls = modules.map((one) => (URL.canParse(one) ? one : pathToFileURL(one).href))
    for (const url of urls) await import(url)
    onImported()
    const own = (this.#options.options.modules ?? []).map(String)
    await this.pool.restart?.({ modules: [...own, ...urls] })
  }

  /** Undefined: its size is nobody's to change by load. Errors: `CT_CONFIGURATION` for a pool of one slot. */
  autoscaler(watch: Pick<AutoscalerOptions, 'quantity' | 'onMax' | 'log'>): Autoscaler | undefined {
    const { autoscale } = this.#options.options
    if (autoscale === undefined) return undefined
    if (!this.pool.capabilities.resizable)
      throw new ConfigurationError(`The pool ${this.pool.name} has one slot and cannot be autoscaled.`)
    return new Autoscaler({
      ...autoscale,
      ...watch,
      size: () => this.pool.size,
      resize: (by) => this.resize(by),
    })
  }

  get #isHere(): boolean {
    return this.#started && this.pool.capabilities.sharesMemory
  }
}
