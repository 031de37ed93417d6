import type { Delivery, SlotJob } from '@ct/contracts'
import type { SlotRequest } from './slot-config.ts'

/** A delivery as a slot elsewhere knows it: what the message said. It is the worker's to settle. */
export function slotDelivery(job: SlotJob, { headers, properties, info, queue }: SlotRequest): Delivery {
  const refuse = (): Promise<never> =>
    Promise.reject(new Error('The message is settled by the worker, not by a slot.'))
  return {
    body: job.body,
    contentType: job.contentType,
    contentEncoding: job.contentEncoding,
    headers,
    properties,
    info,
    queue,
    tag: String(job.jobId),
    settled: false,
    settle: refuse,
    countStart: refuse,
  }
}
