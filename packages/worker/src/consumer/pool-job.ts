import type { PoolJob } from '@ct/contracts'
import type { Request } from '../request/index.ts'
import type { SlotRequest } from '../slot/index.ts'
import type { TraceServices } from '../trace/index.ts'

/** A request as the pool gets it; of what lies outside of the task's arguments a slot that shares no memory gets what its side needs. */
export function jobOf(
  request: Request,
  jobId: number,
  services: TraceServices,
  sharesMemory: boolean,
): PoolJob {
  const { message } = request
  return {
    jobId,
    taskId: request.id,
    taskName: message.task,
    body: message.body,
    contentType: message.contentType,
    contentEncoding: message.contentEncoding,
    request: sharesMemory ? message.headers : forSlot(request, services),
    patient: isPatient(request),
    local: request,
  }
}

function forSlot(
  { message, delivery, strategy }: Request,
  { events, log }: TraceServices,
): Readonly<Record<string, unknown>> {
  const wanted: SlotRequest = {
    headers: delivery.headers,
    properties: message.properties,
    info: delivery.info,
    queue: delivery.queue,
    wantsRepr: log.infoEnabled || (events.enabled && strategy.options.sendEvents),
  }
  return { ...wanted }
}

/** Nobody waits for its beginning (an early ack) or its end (what follows from it). */
function isPatient({ isPlain, strategy }: Request): boolean {
  return isPlain && strategy.options.acksLate
}
