/** `task.request` of a received task: put together when the task asks for it. */
import type { TaskRequest } from '@ct/client'
import { resolveRawJson, type RawJson } from '@ct/contracts'
import type { Request } from '../request/index.ts'

export function taskRequest(request: Request, hostname: string): TaskRequest {
  const { message, delivery, body } = request
  const { embed } = body
  return {
    id: message.id,
    rootId: message.rootId ?? message.id,
    parentId: message.parentId,
    task: message.task,
    lang: message.lang,
    args: body.args,
    kwargs: body.kwargs,
    argsrepr: message.argsrepr,
    kwargsrepr: message.kwargsrepr,
    retries: message.retries,
    isEager: false,
    calledDirectly: false,
    eta: message.eta,
    expires: message.expires,
    timeLimit: request.timeLimit,
    softTimeLimit: request.softTimeLimit,
    hostname,
    origin: message.origin,
    correlationId: message.correlationId,
    replyTo: message.replyTo,
    deliveryInfo: {
      exchange: delivery.info.exchange,
      routingKey: delivery.info.routingKey,
      priority: message.priority,
      redelivered: delivery.info.redelivered,
    },
    group: message.group,
    groupIndex: message.groupIndex,
    chord: resolveRawJson(embed.chord),
    chain: signatures(embed.chain),
    callbacks: signatures(embed.callbacks),
    errbacks: signatures(embed.errbacks),
    headers: message.customHeaders,
    properties: { ...message.properties },
    stampedHeaders: message.stampedHeaders,
    stamps: message.stampedHeaders === null ? null : message.stamps,
    ignoreResult: message.ignoreResult,
    shadow: message.shadow,
    replacedTaskNesting: message.replacedTaskNesting,
    utc: true,
  }
}

/** What is merely passed on is kept as source text; a task that looks at it gets data. */
function signatures(list: RawJson | readonly unknown[] | null): readonly unknown[] | null {
  return list === null ? null : (resolveRawJson(list) as readonly unknown[])
}
