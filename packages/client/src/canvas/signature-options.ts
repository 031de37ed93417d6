/** Options of signatures: how a call's join a signature's, and lists of links. */
import { encodeJson } from '@ct/contracts'
import type { SignatureDict } from '@ct/contracts'

/** Keys that a call never takes away from a signature (canvas semantics: "Calling"). */
const keptKeys: readonly string[] = ['group_id', 'stamped_headers']

/**
 * Call options over a signature's; null in the call is not given, except where null says something. Its links are copied: what is stamped or set in one
 * copy is not in the others.
 */
export function mergedOptions(
  own: Readonly<Record<string, unknown>>,
  call: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const merged = copyOptions(own)
  for (const key of ['link', 'link_error']) {
    const links = merged[key]
    if (Array.isArray(links)) merged[key] = links.map(cloned)
  }
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

/** A signature; data is never changed. */
function cloned(link: unknown): unknown {
  const { clone } = (link ?? {}) as { readonly clone?: unknown }
  return typeof clone === 'function' ? (clone.call(link) as unknown) : link
}

/** Lists are copied, so that copies do not share them. */
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
  let text: string | undefined
  for (const known of list) {
    if (known === callback) return
    if (!mayEqual(known, callback)) continue
    if (encodeJson(known) === (text ??= encodeJson(callback))) return
  }
  list.push(callback)
}

/** False where the name, or plain arguments, tell two callbacks apart; spares their texts. */
function mayEqual(one: unknown, other: unknown): boolean {
  const [a, b] = [one, other] as readonly [Partial<SignatureDict>, Partial<SignatureDict>]
  if (typeof a.task !== 'string' || typeof b.task !== 'string') return true
  if (a.task !== b.task) return false
  const [some, others] = [a.args, b.args]
  if (!Array.isArray(some) || !Array.isArray(others)) return true
  if (some.length !== others.length) return false
  return some.every((arg, index) => {
    const plain = typeof arg === 'string' || typeof arg === 'number'
    return !plain || typeof arg !== typeof others[index] || Object.is(arg, others[index])
  })
}

export function isEmpty(record: Readonly<Record<string, unknown>>): boolean {
  for (const _ in record) return false
  return true
}
