import { EncodeError } from '../errors.ts'
import type { Serializer } from '../serializer.ts'
import { decodeJson, decodeUtf8 } from './json-decoder.ts'
import { encodeJsonBytes } from './json-encoder.ts'
import { defaultJsonOptions } from './json-types.ts'
import type { JsonOptions } from './json-types.ts'

/** kombu's `json`: MIME type `application/json`, UTF-8 (written as ASCII). See `encodeJson` and `decodeJson` for the rules. */
export class JsonSerializer implements Serializer {
  readonly name = 'json'
  readonly contentType = 'application/json'
  readonly contentEncoding = 'utf-8'
  readonly options: JsonOptions

  constructor(options: Partial<JsonOptions> = {}) {
    for (const key of Object.keys(options)) {
      if (!(key in defaultJsonOptions)) {
        throw new EncodeError(
          `unknown JSON option ${JSON.stringify(key)}; known are ${Object.keys(defaultJsonOptions).join(', ')}`,
        )
      }
    }
    this.options = Object.freeze({ ...defaultJsonOptions, ...options })
  }

  encode(value: unknown): Uint8Array {
    return encodeJsonBytes(value, this.options)
  }

  /** The content encoding a message states has no say here, as in kombu: JSON is UTF-8. */
  decode(bytes: Uint8Array): unknown {
    return decodeJson(decodeUtf8(bytes), this.options)
  }
}

export const jsonSerializer: JsonSerializer = new JsonSerializer()

/** A JSON serializer with types of the user's own (kombu's `register_type`), another depth, or strict numbers. */
export function createJsonSerializer(options: Partial<JsonOptions> = {}): JsonSerializer {
  return new JsonSerializer(options)
}
