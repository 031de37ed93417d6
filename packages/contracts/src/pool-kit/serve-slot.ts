/**
 * The slot's end of a pool: runs in the thread or child, whatever way its frames travel.
 *
 *   open ─► entry loaded ─► openSlot() ─┬─► ready ─► job ─► started ─► … ─► done ─► job …
 *                                       └─► failed                                   │
 *   close ─► slot.close() ─► exit ◄──────────────────────────────────────────────────┘
 *
 * A job that was handed ahead waits for the one before it:
 *
 *   waiting ─┬─ its turn comes in time ─► started
 *            ├─ its turn comes too late ─► asks ─┬─ it may ─► started
 *            │                                   └─ another slot has it ─► forgotten
 *            └─ wanted back ─► returned
 */
import type { PoolOutcome, Slot, SlotEntry, SlotJob, SlotMessage } from '../pool.ts'
import { errorData, errorFrom, type ErrorData } from './error-data.ts'
import { beginSlackMs } from './hand-ahead.ts'
import { Port } from './slot-port.ts'
import { fromSlot, monotonicMs, toSlot, type FromSlot, type ToSlot } from './slot-frames.ts'

/** How the frames of this slot travel. */
export interface SlotLink {
  readonly pid: number
  /**
   * Frames in order, as one message. True when they are where the pool can read them, whatever this thread does from now on. Throws when one
   * of them cannot be cloned; then none is sent.
   */
  send(frames: readonly FromSlot[]): boolean
  /** Wakes a pool that does not listen, after what was sent. */
  call?(): void
  /** Memory in use, for `maxMemoryPerChildKb`; asked after each job. */
  memoryKb(): number
  /** Ends the slot when what was sent is on its way. */
  exit(code: number): void
}

/** Gives the function that takes what the pool sends: a batch of frames. */
export function serveSlot(link: SlotLink): (frames: readonly ToSlot[]) => void {
  const server = new SlotServer(link)
  return (frames) => server.receive(frames)
}

type DoneFrame = Extract<FromSlot, readonly [typeof fromSlot.done, ...unknown[]]>

/** A job that did not begin yet. */
interface Waiting {
  readonly job: SlotJob
  /** See {@link ToSlot}. */
  beginBefore: number
  abortReason: Error | undefined
}

/** After so long the event loop gets its turn before the next job: what came in meanwhile is read, sockets of the tasks are served. */
const turnMs = 20

class SlotServer {
  readonly #link: SlotLink
  readonly #answers = new Map<
    number,
    { readonly resolve: (value: unknown) => void; readonly reject: (error: Error) => void }
  >()
  #slot: Slot | undefined
  #port: Port | undefined
  #startedAt = 0
  #waiting: Waiting[] = []
  #asking: Waiting | undefined
  /** Frames that go out with the next flush. */
  #out: FromSlot[] = []
  #turnAt = 0
  #yielding = false
  #messages = 0
  /** The pool is called after the next flush. */
  #calls = false
  #retires = false

  constructor(link: SlotLink) {
    this.#link = link
  }

  receive(frames: readonly ToSlot[]): void {
    this.#turnAt = monotonicMs()
    for (const frame of frames) this.#receive(frame)
    this.#next()
  }

  #receive(frame: ToSlot): void {
    switch (frame[0]) {
      case toSlot.open:
        void this.#open(frame[1], frame[2], frame[3], frame[4])
        return
      case toSlot.job: {
        const [, jobId, taskId, taskName, body, contentType, contentEncoding, request, beginBefore] = frame
        const job = { jobId, taskId, taskName, body, contentType, contentEncoding, request }
        this.#waiting.push({ job, beginBefore, abortReason: undefined })
        return
      }
      case toSlot.abort:
        this.#abort(frame[1], errorFrom(frame[2]))
        return
      case toSlot.answer:
        this.#answer(frame[1], frame[2], frame[3])
        return
      case toSlot.takeBack:
        this.#giveBack(({ job }) => job.jobId === frame[1])
        return
      case toSlot.word:
        this.#hear(frame[1], frame[2])
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
      this.#link.send([[fromSlot.ready, this.#link.pid]])
    } catch (error) {
      this.#link.send([[fromSlot.failed, errorData(error)]])
      this.#link.exit(1)
    }
  }

  #post({ kind, payload }: SlotMessage): void {
    this.#flush()
    try {
      this.#link.send([[fromSlot.post, kind, payload]])
    } catch {
      this.#link.send([[fromSlot.post, kind, undefined]])
    }
  }

  #retire(): void {
    this.#retires = true
    if (this.#port === undefined) this.#out.push([fromSlot.retire])
    this.#calls = true
    this.#next()
  }

  // ---- jobs ------------------------------------------------------------------------------------------------------------

  #giveBack(wanted: (waiting: Waiting) => boolean): void {
    const kept: Waiting[] = []
    for (const waiting of this.#waiting) {
      if (wanted(waiting)) this.#out.push([fromSlot.returned, waiting.job.jobId])
      else kept.push(waiting)
    }
    this.#waiting = kept
  }

  /** Begins what waits, if nothing runs, and sends what is to be said. */
  #next(): void {
    if (this.#retires) this.#giveBack(() => true)
    while (this.#port === undefined && this.#asking === undefined && !this.#yielding) {
      const next = this.#waiting[0]
      if (next === undefined) break
      if (next.beginBefore > 0 && monotonicMs() - this.#turnAt > turnMs) {
        this.#yield()
        break
      }
      this.#waiting.shift()
      this.#begin(next)
    }
    this.#flush()
  }

  /** Two turns: in the first, what is read is what was there when it began. */
  #yield(): void {
    this.#yielding = true
    setImmediate(() =>
      setImmediate(() => {
        this.#yielding = false
        this.#turnAt = monotonicMs()
        this.#next()
      }),
    )
  }

  #begin(waiting: Waiting): void {
    const { job, beginBefore } = waiting
    if (beginBefore > 0 && monotonicMs() > beginBefore) {
      this.#ask(waiting)
      return
    }
    const { jobId } = job
    this.#out.push([fromSlot.started, jobId, Date.now(), monotonicMs()])
    const told = this.#flush()
    // This process may have stood still in between, or the pool may not have heard: then it may have given the job to another slot.
    if (beginBefore > 0 && (!told || monotonicMs() > beginBefore + beginSlackMs)) {
      this.#ask(waiting)
      return
    }
    // The last one in hand: now is the time to hear of the others and to hand over more.
    if (beginBefore > 0 && this.#waiting.length === 0) this.#link.call?.()
    this.#run(waiting)
  }

  #ask(waiting: Waiting): void {
    this.#asking = waiting
    this.#out.push([fromSlot.asks, waiting.job.jobId])
    this.#calls = true
  }

  #hear(jobId: number, begin: boolean): void {
    const asking = this.#asking
    if (asking === undefined || asking.job.jobId !== jobId) return
    this.#asking = undefined
    if (!begin) return
    asking.beginBefore = 0
    this.#waiting.unshift(asking)
  }

  #run({ job, abortReason }: Waiting): void {
    const { jobId } = job
    const port = new Port(jobId, (message) => this.#send(jobId, message))
    this.#port = port
    this.#startedAt = monotonicMs()
    if (abortReason !== undefined) port.abort(abortReason)
    let outcome: Promise<PoolOutcome>
    try {
      outcome = this.#slot!.run(job, port)
    } catch (error) {
      this.#lost(jobId, error)
      return
    }
    outcome.then(
      (done) => {
        if (done.kind === 'done') this.#end(jobId, done.value, undefined)
        else this.#end(jobId, undefined, done.kind === 'lost' ? done.reason : 'the slot did not run it')
        this.#next()
      },
      (error: unknown) => {
        this.#lost(jobId, error)
        this.#next()
      },
    )
  }

  #lost(jobId: number, error: unknown): void {
    this.#end(jobId, undefined, errorData(error).message)
  }

  #end(jobId: number, value: unknown, lost: string | undefined): void {
    const ranMs = monotonicMs() - this.#startedAt
    this.#out.push([fromSlot.done, jobId, value, lost, this.#link.memoryKb(), this.#retires, ranMs])
    this.#port = undefined
  }

  #abort(jobId: number, reason: Error): void {
    if (this.#port?.jobId === jobId) {
      this.#port.abort(reason)
      return
    }
    for (const waiting of this.#asking === undefined ? this.#waiting : [this.#asking, ...this.#waiting])
      if (waiting.job.jobId === jobId) waiting.abortReason ??= reason
  }

  // ---- what is said ----------------------------------------------------------------------------------------------------

  /** True when it is all where the pool can read it. */
  #flush(): boolean {
    if (this.#out.length === 0) return true
    const frames = this.#out
    this.#out = []
    let told = true
    try {
      told = this.#link.send(frames)
    } catch {
      for (const frame of frames) told = this.#sendAlone(frame)
    }
    if (this.#calls) {
      this.#calls = false
      this.#link.call?.()
    }
    return told
  }

  #sendAlone(frame: FromSlot): boolean {
    try {
      return this.#link.send([frame])
    } catch (error) {
      // What cannot be cloned: a defect of the entry, which costs one job.
      const [, jobId, , , memoryKb, retires, ranMs] = frame as DoneFrame
      return this.#link.send([
        [fromSlot.done, jobId, undefined, errorData(error).message, memoryKb, retires, ranMs],
      ])
    }
  }

  #send(jobId: number, { kind, payload }: SlotMessage): Promise<unknown> {
    const messageId = ++this.#messages
    const { promise, resolve, reject } = Promise.withResolvers<unknown>()
    this.#flush()
    try {
      this.#link.send([[fromSlot.message, jobId, messageId, kind, payload]])
      // With more in hand the pool may be resting.
      if (this.#waiting.length > 0) this.#link.call?.()
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
