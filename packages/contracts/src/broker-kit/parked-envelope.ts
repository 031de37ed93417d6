/** What stands in `<queue>.parked` of a store of texts: the message as it was, with its history in a header. */
import { Buffer } from 'node:buffer'
import { createHash } from 'node:crypto'
import { isCeleryError } from '../errors.ts'
import type { DeliveryInfo, HeaderTable, MessageContent } from '../message.ts'
import { parkedHeader, type ParkedHistory, type ParkedMessage } from '../parking.ts'
import { decodeEnvelope, encodeEnvelope } from '../protocol/index.ts'

/** Content type under which something that was no envelope is parked: its bytes are the body. */
export const rawContentType = 'application/x-ct-raw'

/** The envelope to put into `<queue>.parked`. */
export function parkedEnvelope(
  message: MessageContent & { readonly info: DeliveryInfo },
  tag: string,
  history: ParkedHistory,
): string {
  const { body, contentType, contentEncoding, properties, info } = message
  const headers = { ...message.headers, [parkedHeader]: history }
  return encodeEnvelope(
    { body, contentType, contentEncoding, headers, properties },
    { ...info, deliveryTag: tag },
  )
}

/** Wraps what is not even an envelope. */
export function parkedRaw(payload: string, tag: string, history: ParkedHistory): string {
  return encodeEnvelope(
    {
      body: new TextEncoder().encode(payload),
      contentType: rawContentType,
      contentEncoding: 'binary',
      headers: { [parkedHeader]: history },
      properties: {},
    },
    { exchange: '', routingKey: history.queue, deliveryTag: tag },
  )
}

/** Reads what stands in a parked queue; tolerant, since an operator may have put anything there. */
export function readParked(payload: string, queue: string): ParkedMessage {
  try {
    const envelope = decodeEnvelope(payload)
    return {
      id: envelope.deliveryTag ?? idOf(payload),
      taskId: text(envelope.headers['id']),
      taskName: text(envelope.headers['task']),
      history: readHistory(envelope.headers[parkedHeader], queue, 'unknown'),
      headers: envelope.headers,
      body: envelope.body,
      retryable: envelope.contentType !== rawContentType,
    }
  } catch (error) {
    if (!isCeleryError(error)) throw error
    return {
      id: idOf(payload),
      taskId: undefined,
      taskName: undefined,
      history: readHistory(undefined, queue, 'malformed'),
      headers: {},
      body: new TextEncoder().encode(payload),
      retryable: false,
    }
  }
}

/** The same for the same text. */
function idOf(payload: string): string {
  return createHash('sha1').update(payload).digest('hex')
}

/** Without a header nobody can know `reason`: an operator put it there, or the message was too large to carry one. */
function readHistory(value: unknown, queue: string, reason: string): ParkedHistory {
  const given = typeof value === 'object' && value !== null ? (value as HeaderTable) : {}
  const by = text(given['by'])
  return {
    reason: text(given['reason']) ?? reason,
    starts: typeof given['starts'] === 'number' ? given['starts'] : 0,
    parkedAt: text(given['parkedAt']) ?? new Date(0).toISOString(),
    ...(by === undefined ? undefined : { by }),
    queue: text(given['queue']) ?? queue,
  }
}

function text(value: unknown): string | undefined {
  return typeof value === 'string' ? value : undefined
}

/** Reasons are told in a line; what is longer only makes the message too large. */
const longestReason = 300

/**
 * The text to park of an envelope: with its history, or, where that makes it larger than the broker takes, as it was. A message that could not
 * be parked for its size would come again for ever.
 */
export function fittingEnvelope(
  message: MessageContent & { readonly info: DeliveryInfo },
  given: { readonly tag: string; readonly payload: string },
  history: ParkedHistory,
  maxBytes: number | null,
): string {
  const reason = history.reason.slice(0, longestReason)
  return fitting(parkedEnvelope(message, given.tag, { ...history, reason }), given.payload, maxBytes)
}

/** The same for what is no envelope. */
export function fittingRaw(
  payload: string,
  tag: string,
  history: ParkedHistory,
  maxBytes: number | null,
): string {
  return fitting(parkedRaw(payload, tag, history), payload, maxBytes)
}

function fitting(parked: string, payload: string, maxBytes: number | null): string {
  return maxBytes === null || Buffer.byteLength(parked) <= maxBytes ? parked : payload
}
