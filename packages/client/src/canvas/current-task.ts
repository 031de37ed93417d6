import { AsyncLocalStorage } from 'node:async_hooks'
import type { ResultHandle } from '@ct/contracts'
import type { App } from '../app/app.ts'
import type { TaskContext } from '../task/task-context.ts'

/** A task while it runs: what code below it may ask for, and what it leaves behind. Made by workers and eager mode. */
export interface RunningTask {
  readonly context: TaskContext
  /** What the task has sent, in order; stored with its result. undefined: not recorded (`trail: false`). */
  readonly children: ResultHandle[] | undefined
}

const storage = new AsyncLocalStorage<RunningTask | undefined>()

/** Runs `fn` as the code of that task: sends inside it become its children. undefined: as the code of none. */
export function runInTask<T>(running: RunningTask | undefined, fn: () => T): T {
  return storage.run(running, fn)
}

/** For senders: the running task with its children. */
export function runningTask(): RunningTask | undefined {
  return storage.getStore()
}

/** The task this code runs in, or undefined outside of one (Celery's `current_task`). */
export function currentTask(): TaskContext | undefined {
  return storage.getStore()?.context
}

/** The app of the task this code runs in, or undefined outside of one. ct has no global app. */
export function currentApp(): App | undefined {
  return storage.getStore()?.context.app
}
