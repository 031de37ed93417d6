/** A part of a chord as `scripts/record-part.ts` takes it and answers it: for the result store, and for the broker that records it with an ack. */
import { randomBytes } from 'node:crypto'
import type { ChordPart, ChordProgress } from '@ct/contracts'
import type { Argument } from '../connection/link.ts'
import { asArgument, ttlText } from '../stored-success.ts'
import type { ResultKeys } from './keys.ts'

export interface RecordCall {
  readonly keys: readonly string[]
  readonly args: readonly Argument[]
  /** Name of the claim. */
  readonly token: string
}

export function recordCall(keys: ResultKeys, ordered: boolean, part: ChordPart): RecordCall {
  const { groupId, taskId, groupIndex, token = randomBytes(16).toString('hex') } = part
  const index = groupIndex === undefined ? '+inf' : String(groupIndex)
  return {
    keys: [...keys.chordParts(groupId), keys.group(groupId), keys.chord(groupId, 'c')],
    args: [
      ordered ? '1' : '0',
      index,
      asArgument(part.part),
      `${taskId}:${index}`,
      ttlText(part.expiresInMs),
      token,
      Math.max(1, Math.round(part.claimMs)),
    ],
    token,
  }
}

export function progressOf(reply: readonly unknown[], token: string): ChordProgress {
  const [state, count, total] = reply.map(Number) as [number, number, number]
  // Here the second number is how long the claim has to live; a claim without an end cannot be.
  if (state === 3) return { state: 'claimed', retryInMs: Math.max(0, count) }
  if (state === 1) return { state: 'complete', count, total, token }
  if (state === 2) return { state: 'closed' }
  return { state: 'open', count, total: total < 0 ? undefined : total }
}
