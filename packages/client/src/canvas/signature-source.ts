import type { SignatureDict, SignatureSource } from '@ct/contracts'
import { isPlainObject, isRawJson } from '@ct/contracts'

/** Something that can say how it travels. */
interface Travelling {
  toJSON(): SignatureDict
}

function travels(value: unknown): value is Travelling {
  return (
    typeof value === 'object' && value !== null && 'toJSON' in value && typeof value.toJSON === 'function'
  )
}

/**
 * A signature as it is put into a message. Serializers other than JSON cannot write source text, so it is decoded for them.
 */
export function embeddable(value: unknown, json: boolean): SignatureSource {
  if (json) return isRawJson(value) || !travels(value) ? (value as SignatureSource) : value.toJSON()
  return decoded(value) as SignatureDict
}

/** Without source text at any depth: for serializers other than JSON. */
export function decoded(value: unknown): unknown {
  if (isRawJson(value)) return value.decode()
  if (Array.isArray(value)) return value.map(decoded)
  if (isPlainObject(value))
    return Object.fromEntries(Object.entries(value).map(([key, inner]) => [key, decoded(inner)]))
  return travels(value) && 'subtaskType' in value ? decoded(value.toJSON()) : value
}
