import type {
  ExchangeDeclaration,
  MessageContent,
  OutgoingMessage,
  QueueDeclaration,
  SerializerRegistry,
} from '@ct/contracts'
import { ConfigurationError, InvalidMessageError, isPlainObject } from '@ct/contracts'
import { globToRegExp } from './glob.ts'

/** The settings of control queues; durations are seconds. */
export interface ControlSettings {
  /** Default `celery`. */
  readonly controlExchange?: string | undefined
  /** Life of a message. Default 300. */
  readonly controlQueueTtl?: number | null | undefined
  /** Life of a queue nobody uses. Default 10. */
  readonly controlQueueExpires?: number | null | undefined
  /** Default false. */
  readonly controlQueueDurable?: boolean | undefined
  /** Default true; false for a fleet with Celery 5.6. */
  readonly controlQueueExclusive?: boolean | undefined
}

/** A request as workers get it (kombu/pidbox.py 5.7). */
export interface ControlMessage {
  readonly method: string
  readonly arguments: Readonly<Record<string, unknown>>
  /** Node names it is for; null: all that match, or all. */
  readonly destination: readonly string[] | null
  readonly pattern: string | null
  readonly matcher: string | null
  /** Absent: no reply is wanted. */
  readonly ticket?: string | undefined
  readonly replyTo?: { readonly exchange: string; readonly routingKey: string } | undefined
  /** Of the sender, 0 when it sent none. */
  readonly clock: number
}

export interface ControlReply {
  readonly node: string
  readonly value: unknown
  readonly ticket: string | undefined
  readonly clock: number
}

/** How bodies are read: through the app's accept list. */
export interface ControlCodec {
  readonly serializers: SerializerRegistry
  /** Name of the serializer to write with; Celery uses `taskSerializer`. */
  readonly serializer: string
  readonly accept: ReadonlySet<string>
}

export function pidboxExchange(settings: ControlSettings): string {
  return `${settings.controlExchange ?? 'celery'}.pidbox`
}

export function replyExchange(settings: ControlSettings): string {
  return `reply.${pidboxExchange(settings)}`
}

/** Where requests are sent; declared by whoever sends one, since no worker may have come yet. */
export function requestExchange(settings: ControlSettings): ExchangeDeclaration {
  return exchange(pidboxExchange(settings), 'fanout')
}

function exchange(name: string, type: 'fanout' | 'direct'): ExchangeDeclaration {
  return Object.freeze({ name, type, durable: false, autoDelete: false })
}

/** Queue of a worker: `<nodename>.celery.pidbox`, bound to the fanout exchange of all. */
export function nodeQueue(nodename: string, settings: ControlSettings): QueueDeclaration {
  return controlQueue(nodename, exchange(pidboxExchange(settings), 'fanout'), '', settings)
}

/** Queue of an asking process: `<oid>.reply.celery.pidbox`. */
export function replyQueue(oid: string, settings: ControlSettings): QueueDeclaration {
  return controlQueue(oid, exchange(replyExchange(settings), 'direct'), oid, settings)
}

function controlQueue(
  owner: string,
  boundTo: ExchangeDeclaration,
  routingKey: string,
  settings: ControlSettings,
): QueueDeclaration {
  const durable = settings.controlQueueDurable ?? false
  const exclusive = settings.controlQueueExclusive ?? true
  if (durable && exclusive) {
    throw new ConfigurationError(
      'controlQueueDurable and controlQueueExclusive cannot both be true: an exclusive queue goes with its connection. Set one of them to false.',
    )
  }
  const ttl = settings.controlQueueTtl === undefined ? 300 : settings.controlQueueTtl
  const expires = settings.controlQueueExpires === undefined ? 10 : settings.controlQueueExpires
  return Object.freeze({
    name: `${owner}.${boundTo.name}`,
    durable,
    exclusive,
    autoDelete: !durable,
    arguments: {
      ...(expires === null ? {} : { 'x-expires': Math.trunc(expires * 1000) }),
      ...(ttl === null ? {} : { 'x-message-ttl': Math.trunc(ttl * 1000) }),
    },
    bindings: [{ exchange: boundTo, routingKey }],
  })
}

/** A request to publish. `expires`: epoch seconds after which nobody waits for an answer, 0 for none. */
export function writeControlMessage(
  message: ControlMessage,
  expires: number,
  codec: ControlCodec,
  settings: ControlSettings,
): OutgoingMessage {
  const { body, contentType, contentEncoding } = codec.serializers.encode(
    {
      method: message.method,
      arguments: message.arguments,
      destination: message.destination,
      pattern: message.pattern,
      matcher: message.matcher,
      ...(message.ticket === undefined ? {} : { ticket: message.ticket }),
      ...(message.replyTo === undefined
        ? {}
        : { reply_to: { exchange: message.replyTo.exchange, routing_key: message.replyTo.routingKey } }),
    },
    codec.serializer,
  )
  return {
    body,
    contentType,
    contentEncoding,
    headers: { clock: message.clock, expires },
    properties: { deliveryMode: 2, priority: 0 },
    exchange: pidboxExchange(settings),
    exchangeType: 'fanout',
    routingKey: '',
  }
}

/** A request received. Errors: `CT_INVALID_MESSAGE`, `CT_DECODE`, `CT_CONTENT_DISALLOWED`. */
export function readControlMessage(message: MessageContent, codec: ControlCodec): ControlMessage {
  const body = decodeBody(message, codec)
  if (!isPlainObject(body)) throw malformed('its body is no object', 'body-shape')
  const { method, destination, pattern, matcher, ticket, reply_to: replyTo } = body
  if (typeof method !== 'string' || method === '') throw malformed('it names no method', 'method')
  const args = body['arguments'] ?? {}
  if (!isPlainObject(args)) throw malformed('its arguments are no object', 'arguments')
  if (destination != null && !isListOfText(destination)) {
    throw malformed('its destination is no list of node names', 'destination')
  }
  const chosen = typeof pattern === 'string' && pattern !== '' && typeof matcher === 'string'
  if (chosen && (destination == null || destination.length === 0) && !patternMatcher(pattern, matcher)) {
    throw malformed('its pattern cannot be matched: the matchers are glob and pcre', 'pattern')
  }
  return {
    method,
    arguments: args,
    destination: destination ?? null,
    pattern: typeof pattern === 'string' ? pattern : null,
    matcher: typeof matcher === 'string' ? matcher : null,
    ...(typeof ticket === 'string' ? { ticket } : {}),
    // Without an exchange it would go into whatever queue has that name.
    ...(isPlainObject(replyTo) &&
    typeof replyTo['exchange'] === 'string' &&
    replyTo['exchange'] !== '' &&
    typeof replyTo['routing_key'] === 'string'
      ? { replyTo: { exchange: replyTo['exchange'], routingKey: replyTo['routing_key'] } }
      : {}),
    clock: clockOf(message),
  }
}

/**
 * The answer of a node, to be published; undefined when none is wanted. The value must be what the serializer can encode
 * (`CT_ENCODE`).
 */
export function writeReply(
  request: ControlMessage,
  node: string,
  value: unknown,
  clock: number,
  codec: ControlCodec,
): OutgoingMessage | undefined {
  if (request.replyTo === undefined) return undefined
  const { body, contentType, contentEncoding } = codec.serializers.encode(
    { [node]: value === undefined ? null : value },
    codec.serializer,
  )
  return {
    body,
    contentType,
    contentEncoding,
    headers: { ...(request.ticket === undefined ? {} : { ticket: request.ticket }), clock },
    properties: { deliveryMode: 1, priority: 0 },
    exchange: request.replyTo.exchange,
    exchangeType: 'direct',
    routingKey: request.replyTo.routingKey,
  }
}

/** An answer received. Errors as of {@link readControlMessage}. */
export function readReply(message: MessageContent, codec: ControlCodec): ControlReply[] {
  const body = decodeBody(message, codec)
  if (!isPlainObject(body)) throw malformed('its body is no object', 'body-shape')
  const ticket = message.headers['ticket']
  return Object.entries(body).map(([node, value]) => ({
    node,
    value,
    ticket: typeof ticket === 'string' ? ticket : undefined,
    clock: clockOf(message),
  }))
}

/** Whether a request is for that node: by name, by pattern, or for all. */
export function isForNode(message: ControlMessage, nodename: string): boolean {
  if (message.destination !== null && message.destination.length > 0)
    return message.destination.includes(nodename)
  if (message.pattern === null || message.pattern === '' || message.matcher === null) return true
  return patternMatcher(message.pattern, message.matcher)?.(nodename) ?? false
}

/** How node names are matched: `glob`, or `pcre` anchored at the start only. Undefined: no such matcher, or not an expression. */
export function patternMatcher(
  pattern: string,
  matcher: string,
): ((nodename: string) => boolean) | undefined {
  if (matcher === 'glob') {
    const glob = globToRegExp(pattern)
    return (nodename) => glob.test(nodename)
  }
  if (matcher !== 'pcre') return undefined
  try {
    const expression = new RegExp(`^(?:${pattern})`)
    return (nodename) => expression.test(nodename)
  } catch {
    return undefined
  }
}

function decodeBody(message: MessageContent, codec: ControlCodec): unknown {
  return codec.serializers.decode(message.body, message.contentType, message.contentEncoding, codec.accept)
}

function clockOf(message: MessageContent): number {
  const clock = message.headers['clock']
  return typeof clock === 'number' && Number.isSafeInteger(clock) ? clock : 0
}

function isListOfText(value: unknown): value is readonly string[] {
  return Array.isArray(value) && value.every((entry) => typeof entry === 'string')
}

function malformed(problem: string, reason: string): InvalidMessageError {
  return new InvalidMessageError(`A control message is malformed: ${problem}.`, { details: { reason } })
}
