/** What follows a success: callbacks and the next step of the chain (canvas-semantics §6), sent before the result is stored. */
import { readSignature, type ResultHandle, type SignatureSource } from '@ct/contracts'
import type { Request } from '../request/index.ts'
import type { CallOf, TraceServices } from './ports.ts'

export async function sendSuccessors(
  services: TraceServices,
  request: Request,
  value: unknown,
): Promise<void> {
  const { callbacks, chain } = request.body.embed
  const call = callFrom(services, request, [value])
  if (callbacks !== null && callbacks.length > 0) await sendCallbacks(services, request, callbacks, call)
  if (chain !== null && chain.length > 0) {
    const next = chain.at(-1)!
    record(request, await services.sender.call(next, { ...call, chain: chain.slice(0, -1) }))
  }
}

async function sendCallbacks(
  services: TraceServices,
  request: Request,
  callbacks: readonly SignatureSource[],
  call: CallOf,
): Promise<void> {
  if (callbacks.length === 1) {
    record(request, await services.sender.call(callbacks[0]!, call))
    return
  }
  // Groups among several callbacks are called one by one; all others go out together as one new group.
  const others: SignatureSource[] = []
  for (const callback of callbacks) {
    if (readSignature(callback).subtask_type === 'group')
      record(request, await services.sender.call(callback, call))
    else others.push(callback)
  }
  if (others.length > 0) record(request, await services.sender.callGroup(others, call))
}

export function callFrom(services: TraceServices, request: Request, args: readonly unknown[]): CallOf {
  const { message } = request
  return {
    args,
    rootId: message.rootId ?? message.id,
    parentId: message.id,
    ...(services.inheritPriority && message.priority !== null ? { priority: message.priority } : {}),
  }
}

function record(request: Request, handle: ResultHandle): void {
  if (request.strategy.options.trail) (request.children ??= []).push(handle)
}
