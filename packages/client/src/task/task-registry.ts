import { CeleryError } from '@ct/contracts'
import type { RegisteredTask } from './registered-task.ts'

/** The tasks of an app by name. */
export class TaskRegistry implements Iterable<RegisteredTask> {
  readonly #tasks = new Map<string, RegisteredTask>()

  get size(): number {
    return this.#tasks.size
  }

  get(name: string): RegisteredTask | undefined {
    return this.#tasks.get(name)
  }

  has(name: string): boolean {
    return this.#tasks.has(name)
  }

  /** Sorted. */
  names(): readonly string[] {
    return [...this.#tasks.keys()].toSorted()
  }

  /** Throws `CT_ALREADY_REGISTERED` when the name belongs to another task. */
  register(task: RegisteredTask): void {
    const known = this.#tasks.get(task.name)
    if (known === task) return
    if (known !== undefined) {
      throw new CeleryError(
        'CT_ALREADY_REGISTERED',
        `There is a task named "${task.name}" already. Names are unique in an app: give one of the two another name.`,
        { details: { task: task.name } },
      )
    }
    this.#tasks.set(task.name, task)
  }

  /** False: there was none. */
  unregister(name: string): boolean {
    return this.#tasks.delete(name)
  }

  [Symbol.iterator](): Iterator<RegisteredTask> {
    return this.#tasks.values()
  }
}
