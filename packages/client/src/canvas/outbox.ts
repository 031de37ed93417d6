/**
 * Messages that somebody else publishes: a worker hands what a task leads to over together with the settlement of that task, in one step.
 *
 *   prepared ─► taken ─┬─ sent ────► after_task_publish, task-sent
 *                      └─ failed ──► told as a publish of which nothing is known
 *
 * What it does not take (the carrier cannot, a queue is to be declared first, too much of it) is published the ordinary way.
 */
import type { OutgoingMessage } from '@ct/contracts'
import type { AppContext } from '../app/context.ts'
import type { PreparedTask } from './send-task-message.ts'

/** Enough for what follows from most tasks; more would keep a broker busy with one script. */
const mostMessages = 200
const mostBytes = 1024 * 1024

export class Outbox {
  readonly #context: AppContext
  readonly #carries: (message: OutgoingMessage) => boolean
  readonly #taken: PreparedTask[] = []
  #bytes = 0
  #closed = false

  /** `carries`: whether that one message can go along. */
  constructor(context: AppContext, carries: (message: OutgoingMessage) => boolean) {
    this.#context = context
    this.#carries = carries
  }

  /** Undefined: none. */
  get messages(): readonly OutgoingMessage[] | undefined {
    return this.#taken.length === 0 ? undefined : this.#taken.map(({ message }) => message)
  }

  /** It is one message, and nobody is told when it is sent: whoever gets it may begin. */
  get mayBegin(): boolean {
    const [only] = this.#taken
    return (
      this.#taken.length === 1 && only?.announcement === undefined && only?.publish.sentEvent === undefined
    )
  }

  /** All of these or none. The handlers of `beforeTaskPublish` have had them. */
  take(prepared: readonly PreparedTask[]): boolean {
    if (this.#closed || this.#taken.length + prepared.length > mostMessages) return false
    let bytes = this.#bytes
    for (const { message, publish } of prepared) {
      bytes += message.body.byteLength
      if (bytes > mostBytes || publish.signal !== undefined) return false
      if (!this.#carries(message) || !this.#context.producer.hasDeclared(publish)) return false
    }
    this.#bytes = bytes
    for (const one of prepared) this.#taken.push(one)
    return true
  }

  /** From now on nothing is taken. */
  close(): void {
    this.#closed = true
  }

  /** They are sent. */
  sent(): void {
    for (const { publish, announcement } of this.#taken) {
      if (publish.sentEvent !== undefined) this.#context.taskSent(publish.sentEvent)
      void announcement?.after()
    }
  }

  failed(error: unknown): void {
    for (const { announcement } of this.#taken) announcement?.failed(error)
  }
}
