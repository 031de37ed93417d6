/** The worker's event dispatcher and heartbeat, where the broker and the options want them. */
import { EventDispatcher, type App, type AppContext } from '@ct/client'
import type { WorkerOptions } from '../options.ts'
import type { WorkerState } from '../request/index.ts'
import { workerVersion } from '../version.ts'
import { Heartbeat } from './heartbeat.ts'

export function workerDispatcher(
  context: AppContext,
  options: WorkerOptions,
  hostname: string,
): EventDispatcher | undefined {
  const taskEvents = options.taskEvents ?? context.settings.workerSendTaskEvents
  if (!context.broker.capabilities.remoteControl) return undefined
  if (!taskEvents && options.withoutHeartbeat === true && !gossips(context, options)) return undefined
  return new EventDispatcher({
    broker: () => context.broker,
    publish: (message, options) => context.producer.publish(message, options),
    serializers: context.serializers,
    clock: context.clock,
    hostname,
    settings: context.settings,
    // With -E everything; without it, worker events alone.
    groups: taskEvents ? [] : ['worker'],
    bufferGroups: ['task'],
    now: context.now,
    warn: (message) => context.logger.warn(message),
  })
}

/** Whether a worker follows the others: where Celery's do, and the setting says so. */
export function gossips(context: AppContext, options: WorkerOptions): boolean {
  const { remoteControl, driverType } = context.readBroker.capabilities
  return (
    options.withoutGossip !== true &&
    context.settings.workerGossip &&
    remoteControl &&
    ['amqp', 'redis', 'memory'].includes(driverType)
  )
}

export function heartbeatFor(
  app: App,
  dispatcher: EventDispatcher | undefined,
  options: WorkerOptions,
  state: WorkerState,
  hostname: string,
): Heartbeat | undefined {
  if (options.withoutHeartbeat === true || dispatcher === undefined) return undefined
  const { heartbeatSent } = app.signals
  const interval = options.heartbeatInterval ?? 2
  return new Heartbeat({
    interval,
    onSend: () => {
      if (heartbeatSent.wanted) void heartbeatSent.send({ sender: { hostname, interval } })
    },
    version: workerVersion,
    send: (type, fields) => dispatcher.send(type, fields),
    active: () => state.active,
    processed: () => state.processed,
  })
}
