import { DecodeError } from '../errors.ts'
import { isPlainObject } from './plain-object.ts'
import { saferepr } from './saferepr.ts'

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
  return lineOf(handle, ({ parent }) => parent).reduceRight<ResultTuple | null>(
    (parent, { id, children }) => [
      [id, parent],
      children === null ? null : children.map((child) => encodeResultHandle(child)),
    ],
    null,
  )!
}

/** Groups inside groups; parents may be as many as a chain has steps. */
const deepest = 1000

/** Reads a tuple; a bare id in the place of `[id, parent]`, or alone, is accepted. Error: `CT_DECODE`. */
export function decodeResultHandle(value: unknown): ResultHandle {
  return decodeNested(value, 0)
}

function decodeNested(value: unknown, depth: number): ResultHandle {
  if (depth > deepest) throw notHandle(`it holds groups inside groups, more than ${deepest} deep`)
  return lineOf(readTuple(value), ({ parent }) =>
    parent === null || parent === undefined ? null : readTuple(parent),
  ).reduceRight<ResultHandle | null>(
    (parent, { id, members }) => ({
      id,
      parent,
      children: members === null ? null : members.map((member) => decodeNested(member, depth + 1)),
    }),
    null,
  )!
}

/** A result and those before it, up to the first of a workflow: a loop, since a chain may have more steps than calls can be nested. */
function lineOf<T>(last: T, before: (one: T) => T | null): readonly T[] {
  const line: T[] = []
  for (let one: T | null = last; one !== null; one = before(one)) line.push(one)
  return line
}

function readTuple(value: unknown): {
  readonly id: string
  readonly parent: unknown
  readonly members: readonly unknown[] | null
} {
  if (typeof value === 'string' && value !== '') return { id: value, parent: null, members: null }
  if (!Array.isArray(value) || value.length !== 2)
    throw notHandle(`${saferepr(value, { maxLength: 80 })} is neither an id nor a list of two`)
  const [head, members] = value as [unknown, unknown]
  const [id, parent] = Array.isArray(head) ? (head as unknown[]) : [head, null]
  if (typeof id !== 'string' || id === '')
    throw notHandle(`${saferepr(id, { maxLength: 80 })} is no id of a task`)
  if (members === null || members === undefined) return { id, parent, members: null }
  if (!Array.isArray(members)) throw notHandle(`the members of ${id} are no list`)
  return { id, parent, members }
}

/** The document of a saved group on key/value stores: `{"result": <tuple>}`. */
export function groupDocument(handle: ResultHandle): { readonly result: ResultTuple } {
  return { result: encodeResultHandle(handle) }
}

/** Reads a saved group, also the bare tuple of SQL stores (D57-21). Error: `CT_DECODE`. */
export function readGroupDocument(document: unknown): ResultHandle {
  const handle = decodeResultHandle(isPlainObject(document) ? document['result'] : document)
  if (handle.children === null) throw notHandle(`${handle.id} is a task, not a group`)
  return handle
}

function notHandle(problem: string): DecodeError {
  return new DecodeError(
    `This is no result as a tuple: ${problem}. Such a tuple is what asTuple() gives, or as_tuple() in Python: [[id, parent], members or null].`,
    { details: { reason: 'result-tuple' } },
  )
}
