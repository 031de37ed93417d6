import { isRawJson } from '@ct/contracts'

/** What a task returned, for code that looks at it: from a slot elsewhere it comes as the text that is stored. */
export function plainValue(value: unknown): unknown {
  return isRawJson(value) ? value.decode() : value
}
