/** What a worker knows of a chord that it looks after: from its parts, or from a note in the store. */
import { decodeJson, isPlainObject, isRawJson, RawJson, readSignature, sliceJsonObject } from '@ct/contracts'
import type { ChordStanding, SignatureDict, SignatureSource } from '@ct/contracts'

export interface WatchedChord {
  readonly body: SignatureSource
  /** A member that reported: body ids follow it. */
  readonly rootId: string
  readonly taskId: string
  /** Epoch ms. */
  readonly since: number
  progressAt: number
  count: number
  /** Parts it was begun with, once that is known. */
  size: number | undefined
  noted: boolean
  /** This worker has looked at it before: what is new has come since then. */
  looked: boolean
}

/** At most so many ids in an answer or a reason. */
export const shownIds = 20
/** undefined: it is no note. */
export function readNote(note: Uint8Array): WatchedChord | undefined {
  try {
    const texts = new Map(sliceJsonObject(new TextDecoder().decode(note)))
    const member = (name: string): unknown => decodeJson(texts.get(name) ?? 'null')
    // Stays text: its numbers are the sender's.
    const body = RawJson.from(texts.get('body') ?? 'null')
    readSignature(body)
    const [rootId, taskId, since] = [member('root_id'), member('task_id'), member('since')]
    const [progressAt, count, size] = [member('progress_at'), member('count'), member('size')]
    if (typeof rootId !== 'string' || typeof taskId !== 'string' || typeof since !== 'number')
      return undefined
    return {
      body,
      rootId,
      taskId,
      since,
      progressAt: typeof progressAt === 'number' ? progressAt : since,
      count: typeof count === 'number' ? count : 0,
      size: typeof size === 'number' ? size : undefined,
      noted: true,
      looked: false,
    }
  } catch {
    return undefined
  }
}

/** Why a chord without new parts fails. */
export function stalled(groupId: string, standing: ChordStanding, stallMs: number): string {
  const { count, total, reported } = standing
  const names =
    reported.length > count
      ? `; ${reported.length} have come, but the store has lost what ${reported.length - count} of them gave`
      : reported.length === 0
        ? ''
        : `; there are ${reported.slice(0, shownIds).join(', ')}${reported.length > shownIds ? ', …' : ''}`
  return `Chord ${groupId} has ${count} of ${total} parts and no new one for ${stallMs / 1000} s: the others are lost${names}`
}

/** Id of the task that a body ends in, or of one of them. */
export function idOfBody(body: SignatureSource): string | undefined {
  return idOf(isRawJson(body) ? body.decode() : body)
}

function idOf(body: unknown): string | undefined {
  if (!isPlainObject(body)) return undefined
  const { subtask_type: kind, kwargs, options } = body as Partial<SignatureDict>
  const tasks = kwargs?.['tasks'] as readonly unknown[] | undefined
  if (kind === 'group' || kind === 'chain') return idOf(tasks?.at(-1))
  return kind === 'chord' ? idOf(kwargs?.['body']) : options?.task_id
}
