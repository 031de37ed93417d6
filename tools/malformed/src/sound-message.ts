/** A message as Celery writes it, and ways to break it in one place. */
import { Buffer } from 'node:buffer'

/** A message that is broken in one place, as it would lie in a Redis list. */
export interface MalformedMessage {
  readonly name: string
  readonly envelope: string
  /** `details.reason` of the error it must end in, or null when ct reads it although Python stumbles. */
  readonly reason: string | null
}

export const id = '41b1c752-31fe-4c53-aa75-cdc1a6582df5'
export const headers: Readonly<Record<string, unknown>> = {
  lang: 'py',
  task: 'proj.add',
  id,
  shadow: null,
  eta: null,
  expires: null,
  group: null,
  group_index: null,
  retries: 0,
  timelimit: [null, null],
  root_id: id,
  parent_id: null,
  argsrepr: '(2, 2)',
  kwargsrepr: '{}',
  origin: 'gen1@host',
  ignore_result: null,
  replaced_task_nesting: 0,
  stamped_headers: null,
  stamps: {},
}
export const embed = { callbacks: null, errbacks: null, chain: null, chord: null }
export const properties: Readonly<Record<string, unknown>> = {
  correlation_id: id,
  reply_to: id,
  delivery_mode: 2,
  delivery_info: { exchange: '', routing_key: 'celery' },
  priority: 0,
  body_encoding: 'base64',
  delivery_tag: 'ad1b8f81-a2ff-445d-9e94-24f57509a08c',
}

export function base64(body: string | Uint8Array): string {
  return Buffer.from(body as string).toString('base64')
}

export function envelope(change: Record<string, unknown> = {}): string {
  const whole: Record<string, unknown> = {
    body: base64(JSON.stringify([[2, 2], {}, embed])),
    'content-encoding': 'utf-8',
    'content-type': 'application/json',
    headers,
    properties,
    ...change,
  }
  return JSON.stringify(whole)
}

export const good = envelope()

export function withHeader(key: string, value: unknown): string {
  const changed: Record<string, unknown> = { ...headers, [key]: value }
  if (value === undefined) delete changed[key]
  return envelope({ headers: changed })
}

export function withProperty(key: string, value: unknown): string {
  return envelope({ properties: { ...properties, [key]: value } })
}

export function withBody(body: unknown): string {
  return envelope({ body: base64(typeof body === 'string' ? body : JSON.stringify(body)) })
}

export function compressed(name: string, body: Uint8Array): string {
  return envelope({ headers: { ...headers, compression: name }, body: base64(body) })
}
