/** Options of signatures: how a call's join a signature's, and lists of links. */
import { encodeJson } from '@ct/contracts'

/** Keys that a call never takes away from a signature (canvas semantics: "Calling"). */
const keptKeys: readonly string[] = ['group_id', 'stamped_headers']

/** Call options over a signature's; null in the call is not given, except where null says something. */
export function mergedOptions(
  own: Readonly<Record<string, unknown>>,
  call: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  if (isEmpty(call)) return copyOptions(own)
  const merged = copyOptions(own)
  const stamps = own['stamped_headers']
  for (const key of Object.keys(call)) {
    const value = call[key]
    if (value === undefined) continue
    if (
      value === null &&
      key !== 'expires' &&
      key !== 'time_limit' &&
      key !== 'soft_time_limit' &&
      key !== 'group_id'
    )
      continue
    if (keptKeys.includes(key) && own[key] !== undefined) continue
    if (Array.isArray(stamps) && stamps.includes(key) && own[key] !== undefined) continue
    merged[key] =
      key === 'link' || key === 'link_error'
        ? [...((merged[key] ?? []) as unknown[]), ...(value as readonly unknown[])]
        : value
  }
  return merged
}

/** Lists are copied, so that copies do not share their links. */
export function copyOptions(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const copy: Record<string, unknown> = { ...options }
  for (const key of ['link', 'link_error']) {
    const links = copy[key]
    if (links === null || links === undefined) continue
    copy[key] = Array.isArray(links) ? [...(links as unknown[])] : [links]
  }
  return copy
}

export function appendOnce(
  options: Record<string, unknown>,
  key: 'link' | 'link_error',
  callback: unknown,
): void {
  const list = (options[key] ??= []) as unknown[]
  const text = encodeJson(callback)
  if (!list.some((known) => known === callback || encodeJson(known) === text)) list.push(callback)
}

export function isEmpty(record: Readonly<Record<string, unknown>>): boolean {
  for (const _ in record) return false
  return true
}
