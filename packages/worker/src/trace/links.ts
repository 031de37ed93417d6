/** What follows a success: callbacks and the next step of the chain (canvas-semantics §6), sent before the result is stored. */
import { nextOfChain, readSignature, type ResultHandle, type SignatureSource } from '@ct/contracts'
import type { Request } from '../request/index.ts'
import { sent } from './effects.ts'
import type { CallOf, TraceServices } from './ports.ts'

export async function sendSuccessors(
  services: TraceServices,
  request: Request,
  value: unknown,
): Promise<void> {
  const { callbacks, chain } = request.body.embed
  const call = callFrom(services, request, [value])
  if (callbacks !== null && callbacks.length > 0) await sendCallbacks(services, request, callbacks, call)
  if (chain !== null) {
    const { next, rest } = nextOfChain(chain)
    await send(services, request, () => services.sender.call(next, { ...call, chain: rest }))
  }
}

/** One by one, so that what was sent is not sent again when the next one has to wait. */
async function send(
  services: TraceServices,
  request: Request,
  call: () => Promise<ResultHandle>,
): Promise<void> {
  const handle = await sent(services, `What follows task ${request.label} could not be sent`, async () =>
    // Whoever has its message now sends it.
    request.disowned === 'lease-lost' ? undefined : call(),
  )
  const child = handle === undefined || !request.strategy.options.trail ? undefined : firstOf(handle)
  if (child !== undefined) (request.children ??= []).push(child)
}

/**
 * What was sent first of a workflow: that is what its sender calls its child, as Celery does. Of a chain the first step, of a chord the
 * header's group, or the body where that is empty. Undefined: nothing was sent.
 */
function firstOf(handle: ResultHandle): ResultHandle | undefined {
  let first: ResultHandle | undefined
  for (let one: ResultHandle | null = handle; one !== null; one = one.parent)
    if (one.children?.length !== 0) first = one
  // A group of one group is that, with what came before it.
  const [only, ...others] = first?.children ?? []
  if (only !== undefined && only.children !== null && others.length === 0) return only
  return first === undefined || first.parent === null ? first : { ...first, parent: null }
}

async function sendCallbacks(
  services: TraceServices,
  request: Request,
  callbacks: readonly SignatureSource[],
  call: CallOf,
): Promise<void> {
  if (callbacks.length === 1) {
    await send(services, request, () => services.sender.call(callbacks[0]!, call))
    return
  }
  // Groups among several callbacks are called one by one; all others go out together as one new group.
  const others: SignatureSource[] = []
  for (const callback of callbacks) {
    if (readSignature(callback).subtask_type === 'group')
      await send(services, request, () => services.sender.call(callback, call))
    else others.push(callback)
  }
  if (others.length > 0) await send(services, request, () => services.sender.callGroup(others, call))
}

export function callFrom(services: TraceServices, request: Request, args: readonly unknown[]): CallOf {
  const { message } = request
  return {
    args,
    rootId: message.rootId ?? message.id,
    parentId: message.id,
    ...(services.inheritPriority && message.priority !== null ? { priority: message.priority } : {}),
    ...(request.outbox === undefined ? {} : { outbox: request.outbox }),
  }
}
