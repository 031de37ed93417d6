/** What a running job has of the worker, in its slot. */
import type { SlotMessage, SlotPort } from '../pool.ts'

/** The signal is made when somebody looks: most tasks never do. */
export class Port implements SlotPort {
  readonly jobId: number
  readonly send: (message: SlotMessage) => Promise<unknown>
  #controller: AbortController | undefined
  #reason: Error | undefined

  constructor(jobId: number, send: (message: SlotMessage) => Promise<unknown>) {
    this.jobId = jobId
    this.send = send
  }

  get signal(): AbortSignal {
    if (this.#controller === undefined) {
      this.#controller = new AbortController()
      if (this.#reason !== undefined) this.#controller.abort(this.#reason)
    }
    return this.#controller.signal
  }

  abort(reason: Error): void {
    if (this.#reason !== undefined) return
    this.#reason = reason
    this.#controller?.abort(reason)
  }
}
