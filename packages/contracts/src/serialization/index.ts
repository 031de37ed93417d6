/** Room 5, first half: values ⇄ bytes, and the accept list. */
export { isoformat, parseIso } from './isoformat.ts'
export type { IsoDateTime } from './isoformat.ts'
export { decodeJson, decodePlainJson, decodeUtf8 } from './json-decoder.ts'
export { encodeJson, encodeJsonBytes, encodeJsonMember, quote as jsonString } from './json-encoder.ts'
export {
  endOfItems,
  lastItem,
  sliceJsonArray,
  sliceJsonObject,
  splitFirstItems,
  splitLastItem,
} from './json-scanner.ts'
export { createJsonSerializer, JsonSerializer, jsonSerializer } from './json-serializer.ts'
export { jsonHook, jsonSource } from './json-symbols.ts'
export type { JsonOptions, JsonType } from './json-types.ts'
export { pythonFloatRepr } from './python-float.ts'
export { float, PyDate, PyDateTime, PyDecimal, PyFloat, PyTime, PyUuid } from './python-values.ts'
export { isRawJson, RawJson, resolveRawJson } from './raw-json.ts'
export { rawSerializer, textSerializer } from './raw-serializers.ts'
export { SerializerRegistry } from './serializer-registry.ts'
export type { AcceptedContent, EncodedPayload } from './serializer-registry.ts'
