import { Buffer } from 'node:buffer'
import { CeleryError, ContentDisallowedError, DecodeError, EncodeError } from '../errors.ts'
import type { Serializer } from '../serializer.ts'
import { decodeUtf8 } from './json-decoder.ts'
import { jsonSerializer } from './json-serializer.ts'
import { rawSerializer, textSerializer } from './raw-serializers.ts'

/** A compiled accept list: MIME types. Made by {@link SerializerRegistry.accept}. */
export type AcceptedContent = ReadonlySet<string>

export interface EncodedPayload {
  readonly contentType: string
  readonly contentEncoding: string
  readonly body: Uint8Array
}

/** Never refused by an accept list (kombu `TRUSTED_CONTENT`): they are handed over without running a decoder of structure. */
const trusted: ReadonlySet<string> = new Set(['application/data', 'application/text'])

/** Names Celery users know, with what provides them; for the error only. */
const elsewhere: Readonly<Record<string, string>> = {
  pickle: '@ct/serializer-pickle',
  yaml: '@ct/serializer-yaml',
  msgpack: '@ct/serializer-msgpack',
  auth: '@ct/serializer-auth',
  'application/x-python-serialize': '@ct/serializer-pickle',
  'application/x-yaml': '@ct/serializer-yaml',
  'application/x-msgpack': '@ct/serializer-msgpack',
}

/**
 * The serializers of one app (kombu/serialization.py 5.7, without its global). Holds `json`, `raw` and `text` from the start.
 * Reading obeys an accept list: nothing is decoded that is not on it.
 */
export class SerializerRegistry {
  readonly #byName = new Map<string, Serializer>()
  readonly #byType = new Map<string, Serializer>()

  constructor(serializers: Iterable<Serializer> = []) {
    for (const serializer of [jsonSerializer, rawSerializer, textSerializer, ...serializers])
      this.register(serializer)
  }

  /** Adds a serializer, or replaces the one of the same name. A type that two share (`raw` and `auth`) is read by the latter. */
  register(serializer: Serializer): void {
    this.#byName.set(serializer.name, serializer)
    this.#byType.set(serializer.contentType, serializer)
  }

  unregister(name: string): void {
    const serializer = this.get(name)
    this.#byName.delete(serializer.name)
    if (this.#byType.get(serializer.contentType) === serializer) this.#byType.delete(serializer.contentType)
  }

  has(nameOrType: string): boolean {
    return this.#byName.has(nameOrType) || this.#byType.has(nameOrType)
  }

  /** By name or MIME type. Error: `CT_SERIALIZER`, naming the package to install where one is known. */
  get(nameOrType: string): Serializer {
    const found = this.#byName.get(nameOrType) ?? this.#byType.get(nameOrType)
    if (found !== undefined) return found
    const provider = Object.hasOwn(elsewhere, nameOrType) ? elsewhere[nameOrType] : undefined
    throw new CeleryError(
      'CT_SERIALIZER',
      provider === undefined
        ? `no serializer named ${JSON.stringify(nameOrType)}; registered are ${[...this.#byName.keys()].join(', ')}`
        : `the serializer ${JSON.stringify(nameOrType)} is not installed: npm i ${provider} and register it with the app`,
      { details: { serializer: nameOrType } },
    )
  }

  /**
   * Compiles `accept_content`: names or MIME types. A MIME type may be one nothing is registered for (it is then read as text or bytes); a
   * name must be registered. `null` means everything, for trusted places only. Error: `CT_SERIALIZER`.
   */
  accept(namesOrTypes: Iterable<string>): AcceptedContent {
    const types = new Set(trusted)
    for (const entry of namesOrTypes) {
      types.add(!this.#byName.has(entry) && entry.includes('/') ? entry : this.get(entry).contentType)
    }
    return types
  }

  /** Encodes by name. Errors: `CT_SERIALIZER`, `CT_ENCODE`. */
  encode(value: unknown, name = 'json'): EncodedPayload {
    const serializer = this.#byName.get(name) ?? this.get(name)
    const body = encodeWith(serializer, value)
    const contentEncoding =
      serializer === rawSerializer && typeof value === 'string' ? 'utf-8' : serializer.contentEncoding
    return { contentType: serializer.contentType, contentEncoding, body }
  }

  /**
   * Decodes by MIME type, if the accept list allows it. A missing type counts as `application/data`, a missing encoding as `utf-8`. A type without a
   * serializer is decoded to text by its encoding, or left as bytes for `binary`. Empty bytes are handed over as they are.
   * Errors: `CT_CONTENT_DISALLOWED`, `CT_DECODE`.
   */
  decode(
    body: Uint8Array,
    contentType: string | null | undefined,
    contentEncoding: string | null | undefined,
    accept: AcceptedContent | null,
  ): unknown {
    const type = contentType || 'application/data'
    if (accept !== null && !accept.has(type)) throw disallowed(type, this.#byType.get(type)?.name)
    if (body.length === 0) return body
    const serializer = this.#byType.get(type)
    const encoding = (contentEncoding || 'utf-8').toLowerCase()
    if (serializer !== undefined && serializer !== rawSerializer)
      return decodeWith(serializer, body, encoding)
    return encoding === 'binary' || encoding === 'ascii-8bit' ? body : decodeText(body, encoding)
  }
}

/** Adapters are other people's code: whatever they throw comes out as ours. */
function encodeWith(serializer: Serializer, value: unknown): Uint8Array {
  try {
    return serializer.encode(value)
  } catch (cause) {
    if (cause instanceof CeleryError) throw cause
    throw new EncodeError(`the serializer ${serializer.name} failed: ${String(cause)}`, {
      cause,
      details: { reason: 'serializer' },
    })
  }
}

function decodeWith(serializer: Serializer, body: Uint8Array, contentEncoding: string): unknown {
  try {
    return serializer.decode(body, { contentEncoding })
  } catch (cause) {
    if (cause instanceof CeleryError) throw cause
    throw new DecodeError(`the serializer ${serializer.name} failed: ${String(cause)}`, {
      cause,
      details: { reason: 'serializer' },
    })
  }
}

function decodeText(body: Uint8Array, encoding: string): string {
  if (encoding === 'utf-8' || encoding === 'utf8' || encoding === 'us-ascii' || encoding === 'ascii')
    return decodeUtf8(body)
  if (encoding === 'latin-1' || encoding === 'latin1' || encoding === 'iso-8859-1')
    return Buffer.from(body).toString('latin1')
  try {
    return new TextDecoder(encoding, { fatal: true }).decode(body)
  } catch (cause) {
    throw new DecodeError(`the body is not text in the encoding ${JSON.stringify(encoding.slice(0, 40))}`, {
      cause,
      details: { reason: 'content-encoding' },
    })
  }
}

function disallowed(type: string, name: string | undefined): ContentDisallowedError {
  const shown = type.length > 80 ? type.slice(0, 80) + '…' : type
  return new ContentDisallowedError(
    `refused to decode content of type ${name === undefined ? shown : `${name} (${shown})`}: it is not in acceptContent`,
    { details: { reason: 'content-type', contentType: shown } },
  )
}
