/**
 * The slot's end of a pool: runs in the thread or child, whatever way its frames travel.
 *
 *   open ─► entry loaded ─► openSlot() ─┬─► ready ─► job ─► started ─► … ─► done ─► job …
 *                                       └─► failed                                   │
 *   close ─► slot.close() ─► exit ◄──────────────────────────────────────────────────┘
 */
import type { PoolOutcome, Slot, SlotEntry, SlotMessage, SlotPort } from '../pool.ts'
import { errorData, errorFrom, type ErrorData } from './error-data.ts'
import { fromSlot, toSlot, type FromSlot, type ToSlot } from './slot-frames.ts'

/** How the frames of this slot travel. */
export interface SlotLink {
  readonly pid: number
  /** In order. `urgent`: they must be on their way before the caller goes on, since it may never give up the thread again. */
  send(frame: FromSlot, urgent?: boolean): void
  /** Memory in use, for `maxMemoryPerChildKb`; asked after each job. */
  memoryKb(): number
  /** Ends the slot when what was sent is on its way. */
  exit(code: number): void
}

/** Gives the function that takes what the pool sends. */
export function serveSlot(link: SlotLink): (frame: ToSlot) => void {
  const server = new SlotServer(link)
  return (frame) => server.receive(frame)
}

class SlotServer {
  readonly #link: SlotLink
  readonly #answers = new Map<
    number,
    { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }
  >()
  #slot: Slot | undefined
  #port: Port | undefined
  #messages = 0
  #retires = false

  constructor(link: SlotLink) {
    this.#link = link
  }

  receive(frame: ToSlot): void {
    switch (frame[0]) {
      case toSlot.open:
        void this.#open(frame[1], frame[2], frame[3], frame[4])
        return
      case toSlot.job:
        this.#run(frame)
        return
      case toSlot.abort:
        if (this.#port?.jobId === frame[1]) this.#port.abort(errorFrom(frame[2]))
        return
      case toSlot.answer:
        this.#answer(frame[1], frame[2], frame[3])
        return
      default:
        void this.#close()
    }
  }

  async #open(entry: string, modules: readonly string[], config: unknown, index: number): Promise<void> {
    try {
      const { openSlot } = (await import(entry)) as SlotEntry
      this.#slot = await openSlot({
        modules,
        config,
        index,
        post: (message) => this.#post(message),
        retire: () => this.#retire(),
      })
      this.#link.send([fromSlot.ready, this.#link.pid])
    } catch (error) {
      this.#link.send([fromSlot.failed, errorData(error)])
      this.#link.exit(1)
    }
  }

  #post({ kind, payload }: SlotMessage): void {
    try {
      this.#link.send([fromSlot.post, kind, payload])
    } catch {
      this.#link.send([fromSlot.post, kind, undefined])
    }
  }

  #retire(): void {
    this.#retires = true
    if (this.#port === undefined) this.#link.send([fromSlot.retire])
  }

  #run(frame: Extract<ToSlot, readonly [typeof toSlot.job, ...unknown[]]>): void {
    const [, jobId, taskId, taskName, body, contentType, contentEncoding, request] = frame
    const port = new Port(jobId, (message) => this.#ask(jobId, message))
    this.#port = port
    this.#link.send([fromSlot.started, jobId, Date.now()], true)
    let outcome: Promise<PoolOutcome>
    try {
      outcome = this.#slot!.run(
        { jobId, taskId, taskName, body, contentType, contentEncoding, request },
        port,
      )
    } catch (error) {
      this.#lost(jobId, error)
      return
    }
    outcome.then(
      (done) => this.#done(jobId, done),
      (error: unknown) => this.#lost(jobId, error),
    )
  }

  #done(jobId: number, outcome: PoolOutcome): void {
    if (outcome.kind === 'lost') {
      this.#end(jobId, undefined, outcome.reason)
      return
    }
    try {
      this.#end(jobId, outcome.value, undefined)
    } catch (error) {
      // What cannot be cloned: a defect of the entry, which costs one job.
      this.#lost(jobId, error)
    }
  }

  #lost(jobId: number, error: unknown): void {
    this.#end(jobId, undefined, errorData(error).message)
  }

  #end(jobId: number, value: unknown, lost: string | undefined): void {
    this.#link.send([fromSlot.done, jobId, value, lost, this.#link.memoryKb(), this.#retires])
    this.#port = undefined
  }

  #ask(jobId: number, { kind, payload }: SlotMessage): Promise<unknown> {
    const messageId = ++this.#messages
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    try {
      this.#link.send([fromSlot.message, jobId, messageId, kind, payload])
      this.#answers.set(messageId, { resolve, reject })
    } catch (error) {
      reject(error)
    }
    return promise
  }

  #answer(messageId: number, value: unknown, error: ErrorData | undefined): void {
    const waiting = this.#answers.get(messageId)
    if (waiting === undefined) return
    this.#answers.delete(messageId)
    if (error === undefined) waiting.resolve(value)
    else waiting.reject(errorFrom(error))
  }

  async #close(): Promise<void> {
    try {
      await this.#slot?.close()
    } catch (error) {
      this.#post({ kind: 'error', payload: errorData(error) })
    }
    this.#link.exit(0)
  }
}

/** The signal is made when somebody looks: most tasks never do. */
class Port implements SlotPort {
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
