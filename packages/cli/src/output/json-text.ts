/** `JSON.rawJSON`, which the types of TypeScript do not know yet. */
const { rawJSON } = JSON as unknown as { rawJSON(text: string): unknown }

/** JSON in which a BigInt is the number that it is; `indent` spaces a level, default none and no line breaks. */
export function jsonText(value: unknown, indent?: number): string {
  return JSON.stringify(
    value,
    (_key, inner: unknown) => (typeof inner === 'bigint' ? rawJSON(String(inner)) : inner),
    indent,
  )
}
