/**
 * Attributes of spans: OpenTelemetry's semantic conventions for messaging (1.45), and `celery.…` as Python's instrumentation names them.
 */
import type { TaskPublishMessage, TaskRunMessage } from '@ct/client'
import type { Attributes } from '@opentelemetry/api'

interface Described {
  readonly action: 'apply_async' | 'run'
  readonly task: string
  readonly taskId: string
  readonly destination: string
  readonly rootId: unknown
  readonly retries: number
}

export function publishAttributes(message: TaskPublishMessage): Attributes {
  const { task, taskId, exchange, routingKey, retries, headers } = message
  const destination = exchange === '' ? routingKey : exchange
  return {
    ...shared({ action: 'apply_async', task, taskId, destination, retries, rootId: headers['root_id'] }),
    'messaging.operation.type': 'send',
    ...(exchange === '' ? {} : { 'celery.exchange': exchange, 'celery.routing_key': routingKey }),
  }
}

export function runAttributes(message: TaskRunMessage): Attributes {
  const { task, taskId, queue, request } = message
  return {
    ...shared({
      action: 'run',
      task: task.name,
      taskId,
      destination: queue,
      retries: request.retries,
      rootId: request.rootId,
    }),
    'messaging.operation.type': 'process',
    ...(typeof request.hostname === 'string' ? { 'celery.hostname': request.hostname } : {}),
  }
}

function shared({ action, task, taskId, destination, rootId, retries }: Described): Attributes {
  return {
    'messaging.system': 'celery',
    'messaging.operation.name': action,
    'messaging.destination.name': destination,
    'messaging.message.id': taskId,
    ...(typeof rootId === 'string' ? { 'messaging.message.conversation_id': rootId } : {}),
    'celery.action': action,
    'celery.task_name': task,
    ...(retries === 0 ? {} : { 'celery.retries': retries }),
  }
}
