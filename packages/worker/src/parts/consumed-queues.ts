import type { Queue } from '@ct/client'
import type { TaskConsumer } from '../consumer/index.ts'

/** The queues that a worker takes messages from, before it runs and while it does; `pause` keeps the list and takes from none. */
export class ConsumedQueues {
  readonly #queues = new Map<string, Queue>()
  readonly #consumer: () => Pick<TaskConsumer, 'add' | 'cancel'>
  #paused = false

  constructor(queues: Iterable<Queue>, consumer: () => Pick<TaskConsumer, 'add' | 'cancel'>) {
    for (const queue of queues) this.#queues.set(queue.name, queue)
    this.#consumer = consumer
  }

  get paused(): boolean {
    return this.#paused
  }

  get names(): string[] {
    return [...this.#queues.keys()]
  }

  /** Paused ones too. */
  all(): Iterable<Queue> {
    return this.#queues.values()
  }

  /** Those that a new consumer subscribes to. */
  wanted(): Iterable<Queue> {
    return this.#paused ? [] : this.#queues.values()
  }

  async add(queue: Queue): Promise<void> {
    this.#queues.set(queue.name, queue)
    if (!this.#paused) await this.#consumer().add(queue)
  }

  async cancel(name: string): Promise<void> {
    this.#queues.delete(name)
    await this.#consumer().cancel(name)
  }

  async pause(): Promise<void> {
    if (this.#paused) return
    this.#paused = true
    await every([...this.#queues.keys()].map((name) => this.#consumer().cancel(name)))
  }

  async resume(): Promise<void> {
    if (!this.#paused) return
    this.#paused = false
    await every([...this.#queues.values()].map((queue) => this.#consumer().add(queue)))
  }
}

/** One queue that is refused keeps no other: rejects with the first refusal when all are through. */
async function every(steps: readonly Promise<void>[]): Promise<void> {
  const refused = (await Promise.allSettled(steps)).find((step) => step.status === 'rejected')
  if (refused !== undefined) throw refused.reason
}
