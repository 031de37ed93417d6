import { DecodeError } from '../errors.ts'
import { isPlainObject } from './plain-object.ts'

/** What identifies a result and its family: a task (`children` null) or a group. */
export interface ResultHandle {
  readonly id: string
  readonly parent: ResultHandle | null
  /** Members of a group; null for a single task. */
  readonly children: readonly ResultHandle[] | null
}

/** `[[id, parent], null]` for a task, `[[id, parent], [member, …]]` for a group. */
export type ResultTuple = readonly [readonly [string, ResultTuple | null], readonly ResultTuple[] | null]

/** `AsyncResult.as_tuple()` and `GroupResult.as_tuple()` (celery/result.py 5.7). */
export function encodeResultHandle(handle: ResultHandle): ResultTuple {
  return [
    [handle.id, handle.parent === null ? null : encodeResultHandle(handle.parent)],
    handle.children === null ? null : handle.children.map(encodeResultHandle),
  ]
}

/** Reads a tuple; a bare id in the place of `[id, parent]`, or alone, is accepted. Error: `CT_DECODE`. */
export function decodeResultHandle(value: unknown, depth = 0): ResultHandle {
  if (depth > 1000) throw notHandle()
  if (typeof value === 'string' && value !== '') return { id: value, parent: null, children: null }
  if (!Array.isArray(value) || value.length !== 2) throw notHandle()
  const [head, members] = value as [unknown, unknown]
  const [id, parent] = Array.isArray(head) ? (head as unknown[]) : [head, null]
  if (typeof id !== 'string' || id === '') throw notHandle()
  if (members !== null && members !== undefined && !Array.isArray(members)) throw notHandle()
  return {
    id,
    parent: parent === null || parent === undefined ? null : decodeResultHandle(parent, depth + 1),
    children: Array.isArray(members) ? members.map((member) => decodeResultHandle(member, depth + 1)) : null,
  }
}

/** The document of a saved group on key/value stores: `{"result": <tuple>}`. */
export function groupDocument(handle: ResultHandle): { readonly result: ResultTuple } {
  return { result: encodeResultHandle(handle) }
}

/** Reads a saved group, also the bare tuple of SQL stores (D57-21). Error: `CT_DECODE`. */
export function readGroupDocument(document: unknown): ResultHandle {
  const handle = decodeResultHandle(isPlainObject(document) ? document['result'] : document)
  if (handle.children === null) throw notHandle()
  return handle
}

function notHandle(): DecodeError {
  return new DecodeError('not a result tuple', { details: { reason: 'result-tuple' } })
}
