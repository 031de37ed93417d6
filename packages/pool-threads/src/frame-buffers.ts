/** Buffers that change hands instead of being copied. */

const deepest = 5

/**
 * The buffers of the byte arrays in a batch of frames, where an array is all there is on its buffer: what shares a buffer with others (Node's pool for small
 * ones) is copied by the clone.
 */
export function ownBuffers(frames: unknown): ArrayBuffer[] {
  const found: ArrayBuffer[] = []
  collect(frames, found, 0)
  return found
}

function collect(value: unknown, found: ArrayBuffer[], depth: number): void {
  if (typeof value !== 'object' || value === null || depth > deepest) return
  if (value instanceof Uint8Array) {
    const { buffer, byteLength } = value
    if (
      buffer instanceof ArrayBuffer &&
      byteLength > 0 &&
      byteLength === buffer.byteLength &&
      !found.includes(buffer)
    )
      found.push(buffer)
    return
  }
  if (Array.isArray(value)) {
    for (const item of value) collect(item, found, depth + 1)
    return
  }
  if (Object.getPrototypeOf(value) !== Object.prototype) return
  for (const key in value) collect((value as Readonly<Record<string, unknown>>)[key], found, depth + 1)
}
