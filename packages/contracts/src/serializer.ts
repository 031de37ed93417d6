/**
 * Contract: Serializer. Values ⇄ bytes under one MIME type (kombu/serialization.py 5.7).
 *
 * Duties
 * 1. `encode` returns bytes whose meaning a Python peer with kombu 5.7 reads as the same value; it never returns
 *    a view that it changes later.
 * 2. A value that cannot be represented is an `EncodeError` (`CT_ENCODE`) that says where in the value; nothing
 *    else is thrown, and the input is not changed.
 * 3. `decode` of any bytes whatever returns a value or throws `DecodeError` (`CT_DECODE`): it does not hang, does
 *    not allocate beyond a small multiple of its input, and never runs code that the input names.
 * 4. `__proto__`, `constructor` and their like are data: own properties of the result, never its prototype.
 * 5. Both are synchronous and pure: no I/O, no state between calls.
 */
export interface Serializer {
  /** Celery's name, e.g. `json`, `msgpack`. */
  readonly name: string
  /** MIME type put in the message, e.g. `application/json`. */
  readonly contentType: string
  /** `utf-8` for text, `binary` for bytes. */
  readonly contentEncoding: string
  encode(value: unknown): Uint8Array
  decode(bytes: Uint8Array, options?: DecodeOptions): unknown
}

export interface DecodeOptions {
  /** The message's `content_encoding`; adapters of text formats may need it. Default: the serializer's own. */
  readonly contentEncoding?: string
}
