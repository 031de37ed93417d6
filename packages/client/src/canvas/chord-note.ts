/** A note on an open chord, as the result store keeps it for all of ct's workers: who looks after the chord needs no more than this. */
import { encodeJson } from '@ct/contracts'

export interface ChordNote {
  /** Signature. */
  readonly body: unknown
  /** Of the body, where it has none of its own. */
  readonly rootId: string
  /** A member of the header: parent of the body. */
  readonly taskId: string
  /** Epoch ms. */
  readonly since: number
  readonly progressAt: number
  /** Parts that have come by then. */
  readonly count: number
  /** Parts that the chord was begun with, where that is known: the store may lose it. */
  readonly size?: number | undefined
}

export function encodeChordNote(note: ChordNote): Uint8Array {
  const { body, rootId, taskId, since, progressAt, count, size } = note
  return new TextEncoder().encode(
    encodeJson({
      body,
      root_id: rootId,
      task_id: taskId,
      since,
      progress_at: progressAt,
      count,
      size: size ?? null,
    }),
  )
}
