/**
 * What the pool suite's jobs do. A pool that shares memory gets {@link runConformanceJob} as `execute`; the entry of a thread or child
 * calls it with the job and the slot it has there.
 */
import type { PoolJob, PoolOutcome, SlotPort } from '@ct/contracts'

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
  /** Never gives the slot back. */
  | { readonly do: 'spin' }

export async function runConformanceJob(job: Pick<PoolJob, 'body'>, slot: SlotPort): Promise<PoolOutcome> {
  return {
    kind: 'done',
    value: await run(JSON.parse(new TextDecoder().decode(job.body)) as ConformanceJob, slot),
  }
}

async function run(job: ConformanceJob, slot: SlotPort): Promise<unknown> {
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
      for (;;);
    default:
      throw new Error(`No such job: ${JSON.stringify(job)}`)
  }
}
