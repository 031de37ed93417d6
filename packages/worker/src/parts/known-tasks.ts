import type { App } from '@ct/client'
import type { WorkerOptions } from '../options.ts'
import { Strategy } from '../request/index.ts'
import { builtinTasksOf, type TraceServices } from '../trace/index.ts'

export interface KnownTasksOptions {
  readonly app: App
  readonly options: WorkerOptions
  readonly services: () => TraceServices
}

/** The tasks that a worker can run, each with what options and settings decide about it. */
export class KnownTasks {
  readonly strategies = new Map<string, Strategy>()
  readonly #options: KnownTasksOptions

  constructor(options: KnownTasksOptions) {
    this.#options = options
  }

  /** Those that the app has by now; what is known stays as it is. */
  collect(): void {
    const { app, options, services } = this.#options
    const { settings } = app.context
    const defaults = {
      timeLimit: options.timeLimit ?? settings.taskTimeLimit,
      softTimeLimit: options.softTimeLimit ?? settings.taskSoftTimeLimit,
      disableRateLimits: settings.workerDisableRateLimits,
    }
    for (const task of [...builtinTasksOf(services()), ...app.tasks]) {
      if (!this.strategies.has(task.name)) this.strategies.set(task.name, new Strategy(task, defaults))
    }
  }

  names(): string[] {
    if (this.strategies.size === 0) this.collect()
    return [...this.strategies.keys()].toSorted()
  }
}
