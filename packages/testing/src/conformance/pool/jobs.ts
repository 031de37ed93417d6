/**
 * What the pool suite's jobs do. A pool that shares memory gets {@link runConformanceJob} as `execute`; the entry of a thread or child
 * calls it with the job and the slot it has there.
 */
import { threadId } from 'node:worker_threads'
import type { PoolJob, PoolOutcome, SlotPort, SlotStart } from '@ct/contracts'

/** The body of a job, as JSON. */
export type ConformanceJob =
  /** Ends with this value. */
  | { readonly do: 'return'; readonly value: unknown }
  /** Sends `gate` and ends with the answer. */
  | { readonly do: 'gate' }
  /** Sends `step` with 0 … count − 1 and ends with the answers. */
  | { readonly do: 'steps'; readonly count: number }
  /** Sends `gate`; ends with the message of the error with which the answer rejects. */
  | { readonly do: 'catch' }
  /** Waits for its signal; ends with the message of its reason. */
  | { readonly do: 'await-abort' }
  /** Throws past the trace, which a sound worker never does. */
  | { readonly do: 'throw' }
  /** Ends its own process or thread. */
  | { readonly do: 'die' }
  /** Ends with a value, and keeps the event loop busy for ever from then on. */
  | { readonly do: 'return-and-spin' }
  /** Allocates until there is no more memory. */
  | { readonly do: 'devour' }
  /** Ends with the number of bytes it was given, and those bytes. */
  | { readonly do: 'bytes'; readonly size: number }
  /** Ends with a value that cannot be cloned. */
  | { readonly do: 'uncloneable' }
  /** Asks to be the last one of its slot; ends with the pid, or the thread's number. */
  | { readonly do: 'retire' }
  /** Ends with what tells its slot from others. */
  | { readonly do: 'who' }
  /** Throws where nobody waits for it. */
  | { readonly do: 'throw-later' }
  /** Never gives the slot back. */
  | { readonly do: 'spin' }
  /** Posts `ran` with the name, keeps the event loop busy for so long, and ends with the name. */
  | { readonly do: 'busy'; readonly name: string; readonly ms: number }

export async function runConformanceJob(
  job: Pick<PoolJob, 'body'>,
  slot: SlotPort,
  start?: Pick<SlotStart, 'post' | 'retire'>,
): Promise<PoolOutcome> {
  return {
    kind: 'done',
    value: await run(JSON.parse(new TextDecoder().decode(job.body)) as ConformanceJob, slot, start),
  }
}

const devoured: unknown[] = []

/** For ever. A loop without a call is one that the build leaves out. */
function spin(): never {
  for (;;) performance.now()
}

async function run(
  job: ConformanceJob,
  slot: SlotPort,
  start: Pick<SlotStart, 'post' | 'retire'> | undefined,
): Promise<unknown> {
  switch (job.do) {
    case 'return':
      return job.value
    case 'gate':
      return slot.send({ kind: 'gate', payload: null })
    case 'steps':
      return Promise.all(
        Array.from({ length: job.count }, (_, index) => slot.send({ kind: 'step', payload: index })),
      )
    case 'catch':
      try {
        return await slot.send({ kind: 'gate', payload: null })
      } catch (error) {
        return `caught: ${error instanceof Error ? error.message : String(error)}`
      }
    case 'await-abort':
      return new Promise((resolve) => {
        const tell = (): void => resolve(`aborted: ${(slot.signal.reason as Error).message}`)
        if (slot.signal.aborted) tell()
        else slot.signal.addEventListener('abort', tell)
      })
    case 'throw':
      throw new Error('thrown past the trace')
    case 'die':
      return process.exit(3)
    case 'spin':
      spin()
    case 'busy': {
      start?.post({ kind: 'ran', payload: job.name })
      const end = performance.now() + job.ms
      while (performance.now() < end);
      return job.name
    }
    case 'return-and-spin':
      // When the answer has gone out, and before anything else can come in.
      queueMicrotask(() =>
        process.nextTick(() => {
          spin()
        }),
      )
      return 'done'
    case 'devour':
      for (;;) devoured.push(Array.from({ length: 1000 }, (_, index) => ({ index })))
    case 'bytes':
      return new Uint8Array(job.size).fill(7)
    case 'uncloneable':
      return () => undefined
    case 'retire':
      start?.retire()
      return `${process.pid}/${threadId}`
    case 'who':
      return `${process.pid}/${threadId}`
    case 'throw-later':
      setTimeout(() => {
        throw new Error('thrown where nobody waits')
      })
      return new Promise(() => undefined)
    default:
      throw new Error(`No such job: ${JSON.stringify(job)}`)
  }
}
