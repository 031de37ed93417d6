import {
  InvalidMessageError,
  isPlainObject,
  isRawJson,
  RawJson,
  readSignature,
  sliceJsonArray,
  sliceJsonObject,
} from '@ct/contracts'
import type { SignatureDict } from '@ct/contracts'
import type { App } from '../app/app.ts'
import { Chain } from './chain.ts'
import { Chord } from './chord.ts'
import { deepestNesting } from './extent.ts'
import { Group } from './group.ts'
import { Signature } from './signature.ts'
import type { AnySignature } from './signature.ts'
import { TaskSignature } from './task-signature.ts'

/**
 * A signature from how it travels: data of Python's or ours, or its source text (arguments then stay source text). A signature
 * is given back as it is. Errors: `CT_INVALID_MESSAGE`, `CT_DECODE`.
 */
export function signatureFromDict(app: App, source: unknown): AnySignature {
  if (source instanceof Signature) return source as AnySignature
  if (depth >= deepestRead) {
    throw new InvalidMessageError(
      `A signature leads back to itself, or is nested more than ${deepestRead} deep; at most ${deepestNesting} is possible.`,
      { details: { reason: 'signature' } },
    )
  }
  depth++
  try {
    return fromDict(app, readSignature(source))
  } finally {
    depth--
  }
}

/** Read further than is possible, so that what is a little too deep is refused with its size and place, when it is made. */
const deepestRead = 5 * deepestNesting

/** How deep in a canvas the signature is that is being read. */
let depth = 0

function fromDict(app: App, dict: SignatureDict): AnySignature {
  const { subtask_type: kind } = dict
  if (kind === 'chain' || kind === 'group') {
    // What the container itself says of being immutable counts for nothing once it has travelled, as in Celery (`from_dict`).
    const parts = { app, tasks: list(app, dict.kwargs['tasks']), options: dict.options }
    return kind === 'chain' ? new Chain(parts) : new Group(parts)
  }
  if (kind === 'chord') return chordFrom(app, dict)
  // Map, starmap and chunks are ordinary tasks under their own names.
  if (kind !== null && kind !== '' && !['map', 'starmap', 'chunks', 'xmap', 'xstarmap'].includes(kind)) {
    throw new InvalidMessageError(`A signature is of an unknown kind, "${kind.slice(0, 40)}".`, {
      details: { reason: 'signature' },
    })
  }
  return new TaskSignature({
    app,
    task: dict.task,
    args: dict.args,
    kwargs: dict.kwargs,
    options: dict.options,
    immutable: dict.immutable,
  })
}

/**
 * A signature from anything that may be one (Celery's `maybe_signature`): data becomes a signature, a signature stays itself, or with `clone` becomes
 * a copy; null and undefined stay null. Errors: `CT_INVALID_MESSAGE`, `CT_DECODE`.
 */
export function maybeSignature(
  source: object | null | undefined,
  { app, clone = false }: { readonly app: App; readonly clone?: boolean | undefined },
): AnySignature | null {
  if (source === null || source === undefined) return null
  const signature = signatureFromDict(app, source)
  return clone && signature === source ? signature.clone() : signature
}

function chordFrom(app: App, dict: SignatureDict): Chord {
  const { header, body, kwargs } = dict.kwargs
  if (body === null || body === undefined || (isRawJson(body) && body.text === 'null')) {
    throw new InvalidMessageError('A chord has no body.', { details: { reason: 'signature' } })
  }
  return new Chord({
    app,
    header: headerOf(app, header),
    body: signatureFromDict(app, body),
    args: dict.args,
    memberKwargs: recordOf(kwargs),
    options: dict.options,
    immutable: dict.immutable,
  })
}

/** A list, or a group, of which only the members count: its id is the chord's `task_id`. */
function headerOf(app: App, header: unknown): readonly AnySignature[] {
  if (Array.isArray(header) || (isRawJson(header) && header.text.startsWith('['))) return list(app, header)
  const group = signatureFromDict(app, header)
  return group instanceof Group ? group.tasks : [group]
}

function list(app: App, source: unknown): readonly AnySignature[] {
  const items = isRawJson(source) ? sliceJsonArray(source.text).map((text) => RawJson.trusted(text)) : source
  if (!Array.isArray(items)) {
    throw new InvalidMessageError('The members of a canvas are not an array.', {
      details: { reason: 'signature' },
    })
  }
  return items.map((item: unknown) => signatureFromDict(app, item))
}

function recordOf(source: unknown): Record<string, unknown> {
  if (isRawJson(source)) {
    if (!source.text.startsWith('{')) return {}
    return Object.fromEntries(sliceJsonObject(source.text).map(([key, text]) => [key, RawJson.trusted(text)]))
  }
  return isPlainObject(source) ? source : {}
}
