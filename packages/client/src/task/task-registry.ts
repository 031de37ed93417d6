import type { RegisteredTask } from './registered-task.ts'

/** The tasks of an app by name. */
export interface TaskRegistry {
  get(name: string): RegisteredTask | undefined
  has(name: string): boolean
  /** Sorted. */
  names(): readonly string[]
  /** Throws `CT_ALREADY_REGISTERED` when the name belongs to another task. */
  register(task: RegisteredTask): void
  unregister(name: string): boolean
  readonly size: number
  [Symbol.iterator](): Iterator<RegisteredTask>
}
