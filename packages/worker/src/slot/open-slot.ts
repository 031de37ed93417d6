/**
 * A slot in a thread or child: loads the modules, finds the app, and does room 10's work, from the bytes of a body to the bytes of an outcome.
 * What belongs to the worker (stored states, events) goes to it as messages; what a task sends goes out by the slot's own client.
 */
import { runInTask } from '@ct/client'
import {
  CeleryError,
  NotRegistered,
  readTaskBody,
  readTaskMessage,
  type MessageCodecs,
  type PoolOutcome,
  type ResultWrite,
  type Slot,
  type SlotJob,
  type SlotPort,
  type SlotStart,
} from '@ct/contracts'
import { codecsFor } from '../choices.ts'
import { Request, Strategy } from '../request/index.ts'
import {
  builtinTasksOf,
  executor,
  packOutcome,
  TaskSignals,
  type Outcome,
  type PackOptions,
  type TraceServices,
} from '../trace/index.ts'
import { traceServices } from '../trace-services.ts'
import { findSlotApp } from './find-slot-app.ts'
import { enterSlot } from './in-slot.ts'
import type { SlotConfig, SlotRequest } from './slot-config.ts'
import { slotDelivery } from './slot-delivery.ts'
import { slotLogger } from './slot-logger.ts'
import { catchUncaught } from './uncaught.ts'

export async function openSlot(start: SlotStart): Promise<Slot> {
  const config = start.config as SlotConfig
  enterSlot()
  const app = await findSlotApp(start.modules, config.app)
  const logger = slotLogger(start.post, config)
  app.logTo(logger)
  app.configure(config.settings)
  app.finalize()
  const { context } = app
  const strategies = new Map<string, Strategy>()
  const services = traceServices(context, {
    hostname: config.hostname,
    // Those of a task go through its port.
    events: { enabled: false, send: () => undefined },
    task: (name) => strategies.get(name)?.task,
    pause: (ms) => new Promise((resolve) => setTimeout(() => resolve(true), ms)),
  })
  const limits = { timeLimit: config.timeLimit, softTimeLimit: config.softTimeLimit, disableRateLimits: true }
  for (const task of [...builtinTasksOf(services), ...app.tasks])
    if (!strategies.has(task.name)) strategies.set(task.name, new Strategy(task, limits))
  const runner = new Runner(services, strategies, codecsFor(context), {
    serializer: context.serializers.get(context.settings.resultSerializer),
    resultsEnabled: services.results.enabled,
    hostname: config.hostname,
  })
  catchUncaught({
    logger: context.logger,
    fail: (taskId, error) => runner.fail(taskId, error),
    retire: start.retire,
  })
  await app.signals.onAfterFork.send({ sender: app })
  await app.signals.workerProcessInit.send({ sender: config.hostname })
  return {
    run: (job, port) => runner.run(job, port),
    async close() {
      await app.signals.workerProcessShutdown.send({ sender: config.hostname, pid: process.pid, exitcode: 0 })
      await app.close()
    },
  }
}

const endStates = {
  returned: 'SUCCESS',
  threw: 'FAILURE',
  retry: 'RETRY',
  ignore: 'IGNORED',
  replace: 'IGNORED',
  reject: 'REJECTED',
} as const

function whatCame(outcome: Outcome): unknown {
  return outcome.kind === 'returned'
    ? outcome.value
    : outcome.kind === 'threw'
      ? outcome.error
      : outcome.reason
}

class Runner {
  readonly #services: TraceServices
  readonly #strategies: ReadonlyMap<string, Strategy>
  readonly #codecs: MessageCodecs
  readonly #packing: Omit<PackOptions, 'wantsRepr'>
  readonly #signals: TaskSignals
  #current: { readonly taskId: string; readonly fail: (error: unknown) => void } | undefined

  constructor(
    services: TraceServices,
    strategies: ReadonlyMap<string, Strategy>,
    codecs: MessageCodecs,
    packing: Omit<PackOptions, 'wantsRepr'>,
  ) {
    this.#services = services
    this.#strategies = strategies
    this.#codecs = codecs
    this.#packing = packing
    this.#signals = new TaskSignals(services)
  }

  fail(taskId: string, error: unknown): boolean {
    if (this.#current?.taskId !== taskId) return false
    this.#current.fail(error)
    return true
  }

  async run(job: SlotJob, port: SlotPort): Promise<PoolOutcome> {
    const given = job.request as unknown as SlotRequest
    const request = this.#request(job, given)
    const failed = Promise.withResolvers<Outcome>()
    this.#current = { taskId: request.id, fail: (error) => failed.resolve({ kind: 'threw', error }) }
    const outcome = await Promise.race([this.#execute(job, request, port), failed.promise])
    this.#current = undefined
    const value = packOutcome(request, outcome, { ...this.#packing, wantsRepr: given.wantsRepr })
    await this.#signals.postrun(request, endStates[value.kind], whatCame(outcome))
    return { kind: 'done', value }
  }

  #request(job: SlotJob, given: SlotRequest): Request {
    const delivery = slotDelivery(job, given)
    const message = readTaskMessage(delivery, this.#codecs)
    const strategy = this.#strategies.get(message.task)
    // The worker knows it, so a module registers it there and not here.
    if (strategy === undefined) throw new NotRegistered(message.task)
    const request = new Request(delivery, message, readTaskBody(message, this.#codecs), strategy)
    request.carried = {}
    return request
  }

  async #execute(job: SlotJob, request: Request, port: SlotPort): Promise<Outcome> {
    const services = servicesOf(this.#services, port)
    const done = await runInTask(undefined, () => executor(services)({ ...job, local: request }, port))
    return done.kind === 'done'
      ? (done.value as Outcome)
      : {
          kind: 'threw',
          error: new CeleryError('CT_INTERNAL', done.kind === 'lost' ? done.reason : done.kind),
        }
  }
}

/** States and events of a task are the worker's to store and send. */
function servicesOf(services: TraceServices, port: SlotPort): TraceServices {
  return {
    ...services,
    results: {
      ...services.results,
      store: async (writes: readonly ResultWrite[]) => {
        await port.send({ kind: 'store', payload: writes })
      },
    },
    events: {
      enabled: true,
      send: (type, fields) =>
        void port.send({ kind: 'event', payload: { type, fields } }).catch(() => undefined),
    },
  }
}
