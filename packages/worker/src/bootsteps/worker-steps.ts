/**
 * When the steps of others run, in the life of a worker:
 *
 *   pool started ─► worker steps start ─► connected ─► consumer steps start ─► tasks are consumed
 *                                            ▲              │ connection lost: consumer steps stop
 *                                            └──────────────┘
 *   told to stop ─► close of all ─► consumer steps stop ─► tasks end ─► worker steps stop ─► pool closed ─► shutdown of all
 */
import type { App, StepOptions } from '@ct/client'
import type { WorkerOptions } from '../options.ts'
import type { Worker } from '../worker.ts'
import { Blueprint } from './blueprint.ts'
import { consumerPlaces, workerPlaces } from './own-steps.ts'
import type { WorkerConsumer } from './worker-consumer.ts'

export class WorkerSteps {
  readonly #worker: Worker
  readonly #steps: Blueprint<Worker> | undefined
  readonly #consumerSteps: Blueprint<WorkerConsumer> | undefined
  readonly #consumer: () => WorkerConsumer
  #given: WorkerConsumer | undefined
  /** Steps of the consumer start and stop one time after another: a connection may be lost while they start. */
  #turn: Promise<unknown> = Promise.resolve()

  /** Throws `CT_CONFIGURATION` when the steps cannot be put in order. */
  constructor(worker: Worker, options: WorkerOptions, consumer: () => WorkerConsumer) {
    this.#worker = worker
    this.#consumer = consumer
    const { app } = worker
    const { userOptions, ...own } = options
    const given: StepOptions = { ...own, ...userOptions }
    this.#steps = blueprint('Worker', app, worker, given, workerPlaces<Worker>(), app.steps.worker)
    if (app.steps.consumer.size > 0) this.#given = consumer()
    this.#consumerSteps =
      this.#given === undefined
        ? undefined
        : blueprint('Consumer', app, this.#given, given, consumerPlaces<WorkerConsumer>(), app.steps.consumer)
  }

  async startWorker(): Promise<void> {
    await this.#steps?.start(this.#worker)
  }

  /** Also after each reconnect. Rejects with what a step throws; those that have started are stopped by then, so that it may be tried again. */
  async startConsumer(): Promise<void> {
    const steps = this.#consumerSteps
    if (steps === undefined) return
    await this.#inTurn(async () => {
      const given = this.#consumer()
      this.#given = given
      try {
        await steps.start(given)
      } catch (error) {
        await steps.stop(given)
        throw error
      }
    })
  }

  /** The connection is lost, or the worker takes no more messages. */
  async stopConsumer(terminate: boolean = false): Promise<void> {
    const steps = this.#consumerSteps
    if (steps !== undefined) await this.#inTurn(() => steps.stop(this.#given!, terminate))
  }

  #inTurn(run: () => Promise<void>): Promise<void> {
    const result = this.#turn.then(run)
    this.#turn = result.catch(() => undefined)
    return result
  }

  async close(): Promise<void> {
    await this.#steps?.close(this.#worker)
    await this.#consumerSteps?.close(this.#given!)
  }

  async stopWorker(terminate: boolean): Promise<void> {
    await this.#steps?.stop(this.#worker, terminate)
  }

  async shutdown(): Promise<void> {
    await this.#consumerSteps?.shutdown(this.#given!)
    await this.#steps?.shutdown(this.#worker)
  }

  /** For `inspect stats`. */
  info(): Record<string, unknown> {
    return { ...this.#steps?.info(this.#worker), ...this.#consumerSteps?.info(this.#given!) }
  }
}

/** Undefined: nobody has added any. */
function blueprint<P>(
  name: string,
  app: App,
  parent: P,
  options: StepOptions,
  own: ConstructorParameters<typeof Blueprint<P>>[2]['own'],
  added: ConstructorParameters<typeof Blueprint<P>>[2]['added'] & { readonly size: number },
): Blueprint<P> | undefined {
  if (added.size === 0) return undefined
  return new Blueprint(parent, options, { name, own, added, log: app.context.logger })
}
