import { InvalidMessageError } from '../errors.ts'
import {
  decodeJson,
  decodePlainJson,
  isRawJson,
  RawJson,
  sliceJsonArray,
  sliceJsonObject,
} from '../serialization/index.ts'
import { isPlainObject } from './plain-object.ts'

/** A signature as it travels (celery/canvas.py 5.7). Keys are Python's. Members may be {@link RawJson}: forwarded, not decoded. */
export interface SignatureDict {
  readonly task: string
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly options: SignatureOptions
  /** `chain`, `group`, `chord`, `map`, `starmap`, `chunks`, or null for a plain task. */
  readonly subtask_type: string | null
  readonly immutable: boolean
  /** Obsolete; old writers put it into chord bodies. */
  readonly chord_size?: number | null
}

/** Calling options inside a signature. Python's names; unknown ones are kept. */
export interface SignatureOptions {
  readonly task_id?: string
  readonly reply_to?: string
  readonly group_id?: string
  readonly group_index?: number
  readonly root_id?: string
  readonly parent_id?: string
  readonly queue?: string
  readonly link?: readonly SignatureSource[]
  readonly link_error?: readonly SignatureSource[]
  readonly chord?: SignatureSource | null
  readonly [option: string]: unknown
}

/** A signature inside a message: its source text with the JSON serializer, the decoded object with the others. */
export type SignatureSource = RawJson | SignatureDict

const rawOptions: ReadonlySet<string> = new Set(['link', 'link_error', 'chord', 'chain'])

const ahead = Symbol('read ahead')
interface Ahead {
  [ahead]?: SignatureDict
}

/**
 * Opens a signature one level: `task`, `options`, `subtask_type` and `immutable` are decoded, while the single arguments, and the signatures
 * in `link`, `link_error`, `chord` and `chain`, stay source text. Tolerates what older writers leave out. Errors: `CT_INVALID_MESSAGE`, `CT_DECODE`.
 */
export function readSignature(source: unknown): SignatureDict {
  return (source as Ahead)?.[ahead] ?? readNow(source)
}

/** The next {@link readSignature} of this very text has it. Errors as there. */
export function readSignatureAhead(source: RawJson): void {
  ;(source as Ahead)[ahead] ??= readNow(source)
}

function readNow(source: unknown): SignatureDict {
  const members = isRawJson(source) ? rawMembers(source.text) : source
  if (!isPlainObject(members)) throw invalid('is not an object')
  const { task, args, kwargs, options, subtask_type: subtaskType, immutable, chord_size: chordSize } = members
  if (typeof task !== 'string' || task === '') throw invalid('has no task name')
  if (!isAbsent(args) && !Array.isArray(args)) throw invalid('has args that are not an array')
  if (!isAbsent(kwargs) && !isPlainObject(kwargs)) throw invalid('has kwargs that are not an object')
  if (!isAbsent(options) && !isPlainObject(options)) throw invalid('has options that are not an object')
  return {
    task,
    args: isAbsent(args) ? [] : args,
    kwargs: isAbsent(kwargs) ? {} : kwargs,
    options: isAbsent(options) ? {} : checkOptions(options),
    subtask_type: typeof subtaskType === 'string' ? subtaskType : null,
    immutable: immutable === true,
    ...(typeof chordSize === 'number' ? { chord_size: chordSize } : {}),
  }
}

/** Beyond it most is likely to be forwarded, and would be made for nothing. */
const mostAtOnce = 4096

function rawMembers(text: string): Record<string, unknown> {
  const plain = text.length > mostAtOnce ? undefined : decodePlainJson(text)
  if (!isPlainObject(plain)) return memberByMember(text)
  const { task, args, kwargs, options, subtask_type, immutable, chord_size } = plain
  const members: Record<string, unknown> = {
    task,
    args,
    kwargs,
    options,
    subtask_type,
    immutable,
    chord_size,
  }
  const cut = isPlainObject(options) && isForwarded(options)
  // What is forwarded is cut out of the text, where there is any.
  if (!isEmpty(args) || !isEmpty(kwargs) || cut) {
    for (const [key, value] of sliceJsonObject(text)) {
      if (key === 'args') members[key] = value.startsWith('[') ? rawItems(value) : args
      else if (key === 'kwargs') members[key] = value.startsWith('{') ? rawObject(value) : kwargs
      else if (key === 'options' && cut)
        members[key] = value.startsWith('{') ? rawOptionMembers(value) : options
    }
  }
  return members
}

/** No value is in it, or none that is forwarded. */
function isEmpty(value: unknown): boolean {
  if (typeof value !== 'object' || value === null) return true
  for (const _ in value) return false
  return true
}

function isForwarded(options: Readonly<Record<string, unknown>>): boolean {
  for (const key of rawOptions) if (!isAbsent(options[key])) return true
  return false
}

/** With values that `JSON.parse` cannot make, somewhere. */
function memberByMember(text: string): Record<string, unknown> {
  const members: Record<string, unknown> = {}
  for (const [key, value] of sliceJsonObject(text)) {
    switch (key) {
      case 'args':
        members[key] = value.startsWith('[') ? rawItems(value) : decodeJson(value)
        break
      case 'kwargs':
        members[key] = value.startsWith('{') ? rawObject(value) : decodeJson(value)
        break
      case 'options':
        members[key] = value.startsWith('{') ? rawOptionMembers(value) : decodeJson(value)
        break
      case 'task':
      case 'subtask_type':
      case 'immutable':
      case 'chord_size':
        members[key] = decodeJson(value)
    }
  }
  return members
}

function rawItems(text: string): RawJson[] {
  return sliceJsonArray(text).map((item) => RawJson.trusted(item))
}

function rawObject(text: string): Record<string, unknown> {
  return fromEntries(sliceJsonObject(text).map(([key, value]) => [key, RawJson.trusted(value)]))
}

function rawOptionMembers(text: string): Record<string, unknown> {
  return fromEntries(
    sliceJsonObject(text).map(([key, value]) => {
      if (!rawOptions.has(key) || value === 'null') return [key, decodeJson(value)]
      return [key, value.startsWith('[') ? rawItems(value) : RawJson.trusted(value)]
    }),
  )
}

/** `Object.fromEntries` defines own properties, also for `__proto__`. */
function fromEntries(entries: readonly (readonly [string, unknown])[]): Record<string, unknown> {
  return Object.fromEntries(entries)
}

function checkOptions(options: Record<string, unknown>): SignatureOptions {
  const result: Record<string, unknown> = { ...options }
  for (const key of ['link', 'link_error']) {
    const value = result[key]
    if (isAbsent(value)) delete result[key]
    else if (!Array.isArray(value)) result[key] = [value]
  }
  return result
}

function isAbsent(value: unknown): value is null | undefined {
  return value === null || value === undefined
}

function invalid(problem: string): InvalidMessageError {
  return new InvalidMessageError(`a signature ${problem}`, { details: { reason: 'signature' } })
}
