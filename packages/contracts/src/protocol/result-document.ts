import { Buffer } from 'node:buffer'
import { DecodeError } from '../errors.ts'
import type { Serializer } from '../serializer.ts'
import {
  encodeJsonMember,
  JsonSerializer,
  jsonSerializer,
  jsonString,
  resolveRawJson,
} from '../serialization/index.ts'
import { isPlainObject } from './plain-object.ts'
import { decodeResultHandle, encodeResultHandle } from './result-handle.ts'
import type { ResultHandle } from './result-handle.ts'
import type { TaskState } from './states.ts'

/** What a result store knows of a task. */
export interface ResultMeta {
  readonly taskId: string
  readonly status: TaskState
  /** The return value; an `ExceptionDocument` in exception states; what `updateState` gave in custom ones. May be `RawJson` when writing. */
  readonly result: unknown
  readonly traceback: string | null
  /** Results of tasks the task sent; null when the writer had no request. */
  readonly children: readonly ResultHandle[] | null
  /** ISO text of the moment a ready state was written, else null. */
  readonly dateDone: string | null
  readonly groupId?: string
  readonly parentId?: string
  /** Only with `result_extended`. */
  readonly extended?: ExtendedResultMeta
}

export interface ExtendedResultMeta {
  readonly name: string | null
  readonly args: unknown
  readonly kwargs: unknown
  /** Node name of the worker. */
  readonly worker: string | null
  readonly retries: number | null
  /** Routing key of the delivery. */
  readonly queue: string | null
  readonly stampedHeaders?: readonly string[]
  readonly stamps?: Readonly<Record<string, unknown>>
}

/** The document with Python's keys in Python's order (`_get_result_meta` in celery/backends/base.py 5.7). */
export function resultDocument(meta: ResultMeta): Record<string, unknown> {
  const document: Record<string, unknown> = {
    status: meta.status,
    result: meta.result,
    traceback: meta.traceback,
    children:
      meta.children === null ? null : meta.children.length === 0 ? [] : meta.children.map(encodeResultHandle),
    date_done: meta.dateDone,
  }
  if (meta.groupId !== undefined) document['group_id'] = meta.groupId
  if (meta.parentId !== undefined) document['parent_id'] = meta.parentId
  if (meta.extended !== undefined) addExtended(document, meta.extended)
  document['task_id'] = meta.taskId
  return document
}

function addExtended(document: Record<string, unknown>, extended: ExtendedResultMeta): void {
  document['name'] = extended.name
  document['args'] = extended.args
  document['kwargs'] = extended.kwargs
  document['worker'] = extended.worker
  document['retries'] = extended.retries
  document['queue'] = extended.queue
  const { stampedHeaders, stamps } = extended
  if (stampedHeaders === undefined || stamps === undefined || Object.keys(stamps).length === 0) return
  document['stamped_headers'] = stampedHeaders
  for (const name of stampedHeaders) {
    if (Object.hasOwn(stamps, name) && !Object.hasOwn(document, name)) define(document, name, stamps[name])
  }
}

function define(object: Record<string, unknown>, key: string, value: unknown): void {
  Object.defineProperty(object, key, { value, writable: true, enumerable: true, configurable: true })
}

/** Errors: `CT_ENCODE`. */
export function encodeResultMeta(meta: ResultMeta, serializer: Serializer = jsonSerializer): Uint8Array {
  const text = serializer instanceof JsonSerializer ? plainDocument(meta, serializer) : undefined
  if (text !== undefined) return Buffer.from(text, 'latin1')
  const document = resultDocument(meta)
  return serializer.encode(serializer instanceof JsonSerializer ? document : resolveRawJson(document))
}

/** The text of {@link resultDocument} for nearly all results; undefined for the others, and for what cannot be encoded. */
function plainDocument(meta: ResultMeta, serializer: JsonSerializer): string | undefined {
  const { children, groupId, parentId } = meta
  if (meta.extended !== undefined || (children !== null && children.length > 0)) return undefined
  let result: string
  try {
    result = encodeJsonMember(meta.result, serializer.options)
  } catch {
    return undefined
  }
  return (
    '{"status": ' +
    jsonString(meta.status) +
    ', "result": ' +
    result +
    ', "traceback": ' +
    textOrNull(meta.traceback) +
    (children === null ? ', "children": null' : ', "children": []') +
    ', "date_done": ' +
    textOrNull(meta.dateDone) +
    (groupId === undefined ? '' : ', "group_id": ' + jsonString(groupId)) +
    (parentId === undefined ? '' : ', "parent_id": ' + jsonString(parentId)) +
    ', "task_id": ' +
    jsonString(meta.taskId) +
    '}'
  )
}

function textOrNull(text: string | null): string {
  return text === null ? 'null' : jsonString(text)
}

function isExtended(document: Record<string, unknown>): boolean {
  return (
    Object.hasOwn(document, 'name') || Object.hasOwn(document, 'worker') || Object.hasOwn(document, 'args')
  )
}

/**
 * Reads a document by anybody's hand: `status` is required, all else may be missing. `taskId` names the record where the document does not.
 * Children that cannot be read are left out. Error: `CT_DECODE` with `details.reason`.
 */
export function readResultDocument(document: unknown, taskId?: string): ResultMeta {
  if (!isPlainObject(document)) throw broken('is not an object', 'result-shape')
  const {
    status,
    task_id: storedId,
    traceback,
    children,
    date_done: dateDone,
    group_id: groupId,
    parent_id: parentId,
  } = document
  if (typeof status !== 'string' || status === '') throw broken('has no status', 'result-status')
  const id = typeof storedId === 'string' && storedId !== '' ? storedId : taskId
  if (id === undefined) throw broken('has no task_id', 'result-task-id')
  return {
    taskId: id,
    status,
    result: document['result'] ?? null,
    traceback: typeof traceback === 'string' ? traceback : null,
    children: Array.isArray(children) ? readChildren(children) : null,
    dateDone:
      typeof dateDone === 'string' ? dateDone : dateDone instanceof Date ? dateDone.toISOString() : null,
    ...(typeof groupId === 'string' ? { groupId } : {}),
    ...(typeof parentId === 'string' ? { parentId } : {}),
    ...(isExtended(document) ? { extended: readExtended(document) } : {}),
  }
}

/** Bytes of a store to a document. Error: `CT_DECODE`. */
export function decodeResultMeta(
  bytes: Uint8Array,
  serializer: Serializer = jsonSerializer,
  taskId?: string,
): ResultMeta {
  return readResultDocument(serializer.decode(bytes), taskId)
}

function readChildren(children: readonly unknown[]): ResultHandle[] {
  const handles: ResultHandle[] = []
  for (const child of children) {
    try {
      handles.push(decodeResultHandle(child))
    } catch {
      // A child nobody can follow is no reason to lose the result itself.
    }
  }
  return handles
}

function readExtended(document: Record<string, unknown>): ExtendedResultMeta {
  const { name, worker, retries, queue, stamped_headers: stampedHeaders } = document
  const names = Array.isArray(stampedHeaders)
    ? stampedHeaders.filter((entry) => typeof entry === 'string')
    : undefined
  return {
    name: typeof name === 'string' ? name : null,
    args: document['args'] ?? null,
    kwargs: document['kwargs'] ?? null,
    worker: typeof worker === 'string' ? worker : null,
    retries: typeof retries === 'number' ? retries : null,
    queue: typeof queue === 'string' ? queue : null,
    ...(names === undefined
      ? {}
      : {
          stampedHeaders: names,
          stamps: Object.fromEntries(
            names.filter((key) => Object.hasOwn(document, key)).map((key) => [key, document[key]]),
          ),
        }),
  }
}

function broken(problem: string, reason: string): DecodeError {
  return new DecodeError(`the stored result ${problem}`, { details: { reason } })
}
