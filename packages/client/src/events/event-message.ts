import type {
  BrokerCapabilities,
  ExchangeDeclaration,
  MessageContent,
  OutgoingMessage,
  QueueDeclaration,
  SerializerRegistry,
} from '@ct/contracts'
import { ConfigurationError, isPlainObject } from '@ct/contracts'

/** The settings of events; durations are seconds. */
export interface EventSettings {
  /** Default `celeryev`. */
  readonly eventExchange?: string | undefined
  /** Default `json`. */
  readonly eventSerializer?: string | undefined
  /** Default `celeryev`. */
  readonly eventQueuePrefix?: string | undefined
  /** Life of an event in a monitor's queue. Default 5. */
  readonly eventQueueTtl?: number | null | undefined
  /** Life of a monitor's queue nobody uses. Default 60. */
  readonly eventQueueExpires?: number | null | undefined
  /** Default false. */
  readonly eventQueueDurable?: boolean | undefined
  /** Default true; false for a fleet with Celery 5.6. */
  readonly eventQueueExclusive?: boolean | undefined
}

/** An event as it travels; keys are the wire's own (wire-brokers §12.2). */
export interface CeleryEvent {
  /** E.g. `task-received`. */
  readonly type: string
  /** Node name of the sender. */
  readonly hostname: string
  readonly pid: number
  /** Lamport clock of the sender. */
  readonly clock: number
  /** Epoch seconds. */
  readonly timestamp: number
  /** Hours, positive west of Greenwich; may be fractional. */
  readonly utcoffset: number
  /** Epoch seconds at which a receiver got it. */
  readonly local_received?: number
  readonly [field: string]: unknown
}

/** What stands before the first dash: `task-sent` → `task`. */
export function eventGroup(type: string): string {
  const dash = type.indexOf('-')
  return dash === -1 ? type : type.slice(0, dash)
}

/** One event, or with an array a batch of one group. */
export function writeEvents(
  events: CeleryEvent | readonly CeleryEvent[],
  hostname: string,
  options: {
    readonly serializers: SerializerRegistry
    readonly settings: EventSettings
    readonly capabilities: BrokerCapabilities
  },
): OutgoingMessage {
  const { serializers, settings, capabilities } = options
  const batch = Array.isArray(events)
  const type = batch
    ? `${eventGroup((events as readonly CeleryEvent[])[0]!.type)}.multi`
    : (events as CeleryEvent).type
  return {
    ...serializers.encode(events, settings.eventSerializer ?? 'json'),
    headers: { hostname },
    properties: { deliveryMode: 1, priority: 0 },
    exchange: settings.eventExchange ?? 'celeryev',
    exchangeType: capabilities.eventExchangeType,
    routingKey: type.replaceAll('-', '.'),
  }
}

/** Events of a message: one, a batch, or none of an empty batch; what is no event is left out. Errors: `CT_DECODE`, `CT_CONTENT_DISALLOWED`. */
export function readEvents(
  message: MessageContent,
  serializers: SerializerRegistry,
  accept: ReadonlySet<string>,
): Record<string, unknown>[] {
  const body = serializers.decode(message.body, message.contentType, message.contentEncoding, accept)
  const list: readonly unknown[] = Array.isArray(body) ? body : [body]
  return list.filter(
    (event): event is Record<string, unknown> => isPlainObject(event) && typeof event['type'] === 'string',
  )
}

/** The exchange of all events; topic, or fanout where the broker routes events so. */
export function eventExchange(
  settings: EventSettings,
  capabilities: BrokerCapabilities,
): ExchangeDeclaration {
  return Object.freeze({
    name: settings.eventExchange ?? 'celeryev',
    type: capabilities.eventExchangeType,
    durable: true,
    autoDelete: false,
  })
}

/** Queue of one receiver: `celeryev.<id>`, bound with `#` for all events or e.g. `worker.#`. */
export function eventQueue(
  nodeId: string,
  routingKey: string,
  settings: EventSettings,
  capabilities: BrokerCapabilities,
): QueueDeclaration {
  const durable = settings.eventQueueDurable ?? false
  const exclusive = settings.eventQueueExclusive ?? true
  if (durable && exclusive) {
    throw new ConfigurationError(
      'eventQueueDurable and eventQueueExclusive cannot both be true: an exclusive queue goes with its connection. Set one of them to false.',
    )
  }
  const ttl = settings.eventQueueTtl === undefined ? 5 : settings.eventQueueTtl
  const expires = settings.eventQueueExpires === undefined ? 60 : settings.eventQueueExpires
  return Object.freeze({
    name: `${settings.eventQueuePrefix ?? 'celeryev'}.${nodeId}`,
    durable,
    exclusive,
    autoDelete: !durable,
    arguments: {
      ...(expires === null ? {} : { 'x-expires': Math.trunc(expires * 1000) }),
      ...(ttl === null ? {} : { 'x-message-ttl': Math.trunc(ttl * 1000) }),
    },
    bindings: [{ exchange: eventExchange(settings, capabilities), routingKey }],
  })
}
