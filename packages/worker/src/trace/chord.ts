/**
 * A member of a chord reports its part; whoever completes the chord joins the parts and publishes the body
 * (celery/backends/redis.py, base.py 5.7; D57-1…8).
 *
 *   report ─► record ─┬─ open, closed ─► nothing more to do
 *               ▲     ├─ complete, claimed by another ─┐
 *               └─────┼── waits ◄──────────────────────┘
 *                     └─ complete (we hold the claim) ─► join ─┬─ values ─► extend the claim ─► publish the body ─► finish
 *                                                              └─ a member failed, no join ─► error procedure ─► fail
 */
import { randomBytes } from 'node:crypto'
import {
  isRetryable,
  BackendUnavailableError,
  ChordError,
  propagateStates,
  pyRepr,
  type ChordPart,
  type ChordProgress,
  type NativeChord,
  type SignatureSource,
} from '@ct/contracts'
import { publishBody } from './chord-body.ts'
import { failChord } from './chord-error.ts'
import type { ChordMember } from './chord-member.ts'
import { reportCounted } from './counted-chord.ts'
import { persist } from './effects.ts'
import { chordErrorOf, joinChord, joinError, MemberFailed } from './join.ts'
import type { TraceServices } from './ports.ts'
import { readable } from './readable.ts'

/** `result` is the value, or the error where `state` is FAILURE or REVOKED. */
export async function reportPart(
  services: TraceServices,
  member: ChordMember,
  state: string,
  result: unknown,
): Promise<void> {
  if (member.chord === null || member.groupId === null) return
  if (services.chords.kind === 'native')
    await reportNative(services, member, member.groupId, member.chord, state, result)
  else if (services.chords.kind === 'counter')
    await reportCounted(services, member, member.groupId, member.chord, reportPart)
}

async function reportNative(
  services: TraceServices,
  member: ChordMember,
  groupId: string,
  body: SignatureSource,
  state: string,
  result: unknown,
): Promise<void> {
  await recordPart(services, member, body, partOf(services, member, groupId, state, result))
}

export function partOf(
  services: TraceServices,
  member: ChordMember,
  groupId: string,
  state: string,
  result: unknown,
): ChordPart {
  const { chords } = services
  return {
    groupId,
    taskId: member.taskId,
    groupIndex: member.groupIndex ?? undefined,
    part: chords.encodePart(member.taskId, state, result),
    expiresInMs: chords.expiresInMs,
    claimMs: claimMsOf(services),
    // One name for all tries: a claim whose answer was lost is found again.
    token: claimName(),
  }
}

/** Records a part, and does what follows from it. `known`: what an earlier try, whose answer has come, made of it. */
export async function recordPart(
  services: TraceServices,
  member: ChordMember,
  body: SignatureSource,
  part: ChordPart,
  known?: ChordProgress,
): Promise<void> {
  const { groupId } = part
  const steps = new Steps(services, groupId)
  let progress = known
  if (progress === undefined || progress.state === 'claimed') {
    try {
      progress = await recorded(services, steps, part)
    } catch (error) {
      if (isRetryable(error)) throw error
      await uncounted(services, part, body, error)
      return
    }
  }
  if (progress.state === 'open') services.openChords?.seen(groupId, body, member, progress.total)
  if (progress.state !== 'complete') return
  await completeChord(services, member, groupId, body, progress.token)
  services.openChords?.ended(groupId)
}

/** A store that refuses a part, since something else lies in its place, say, counts the chord no further: it fails, once. */
async function uncounted(
  services: TraceServices,
  { groupId, taskId }: ChordPart,
  body: SignatureSource,
  error: unknown,
): Promise<void> {
  services.log.error(`The part of task ${taskId} could not be recorded: chord ${groupId} is lost.`, { error })
  const id = readable(services, body, 'The body of a chord')?.options.task_id
  if (typeof id === 'string' && propagateStates.has((await services.results.meta(id))?.status ?? '')) return
  const reason = `The part of ${taskId} could not be recorded: ${pyRepr(error)}`
  await failChord(services, body, new ChordError(reason, { cause: error }), reportPart)
}

/** Joins the parts of a chord whose claim we hold, and publishes its body. */
export async function completeChord(
  services: TraceServices,
  member: ChordMember,
  groupId: string,
  body: SignatureSource,
  token: string,
): Promise<void> {
  const { chords } = services
  const claimMs = claimMsOf(services)
  const steps = new Steps(services, groupId)
  let values: unknown[]
  try {
    values = await steps.run('be read', async (chord) => {
      const [saved, parts] = await Promise.all([chords.savedGroup(groupId), chord.parts(groupId)])
      if (saved === undefined) return partValues(services, parts)
      const reported = new Map(
        parts.map((encoded) => {
          const { taskId, state, value } = chords.decodePart(encoded)
          return [taskId, { state, value }]
        }),
      )
      return await joinChord(services, saved, reported).catch((error: unknown) => {
        if (!(error instanceof MemberFailed)) throw error
        // Celery does not say which member it was; a chord that failed inside says why itself.
        if (error.error instanceof ChordError) throw error.error
        throw joinError(error.error)
      })
    })
  } catch (error) {
    // The worker stops for good: whoever gets this part again goes on.
    if (isRetryable(error)) throw error
    await failChord(services, body, chordErrorOf(error), reportPart)
    await steps.run('be closed', (chord) => chord.fail(groupId))
    return
  }
  const keep = (): Promise<boolean> =>
    steps.run('be kept', (chord) =>
      chord.extendClaim({ groupId, token, claimMs: Math.max(claimMs, services.publishBoundMs) }),
    )
  if (!(await publishBody(services, member, body, values, keep, reportPart))) {
    services.log.warn(`The claim on chord ${groupId} is lost; another worker publishes its body.`)
    return
  }
  await steps.run('be closed', (chord) =>
    chord.finish({ groupId, token, doneMs: Math.max(2 * claimMs, 300_000) }),
  )
}

const claimPrefix = randomBytes(12).toString('hex')
let claims = 0

/** One of its own for every part, most of which never claim anything: all that is random is drawn once. */
function claimName(): string {
  return claimPrefix + (claims++).toString(16).padStart(8, '0')
}

export function claimMsOf(services: TraceServices): number {
  return Math.max(5, Math.trunc(2 * services.chordJoinTimeout)) * 1000
}

/**
 * Recording twice does nothing. A complete chord that somebody else has claimed is waited for: he may be
 * dead, and then this part, which came again, is the only one that can still bring the body about (D57-3).
 */
async function recorded(
  services: TraceServices,
  steps: Steps,
  part: ChordPart,
): Promise<Exclude<ChordProgress, { state: 'claimed' }>> {
  for (;;) {
    const progress = await steps.run('be counted', (chord) => chord.record(part))
    if (progress.state !== 'claimed') return progress
    if (!(await services.pause(Math.min(1000, progress.retryInMs + 1)))) {
      throw new BackendUnavailableError(`The worker stopped before chord ${part.groupId} was done.`)
    }
  }
}

/** Steps of a chord may all be made twice; each is made until the store answers, since a chord whose claimant gives up has nobody else. */
class Steps {
  readonly #services: TraceServices
  readonly #groupId: string

  constructor(services: TraceServices, groupId: string) {
    this.#services = services
    this.#groupId = groupId
  }

  run<T>(what: string, step: (chord: NativeChord) => Promise<T>): Promise<T> {
    return persist(this.#services, `Chord ${this.#groupId} could not ${what}`, async () =>
      step(await this.#services.chords.native()),
    )
  }
}

function partValues(services: TraceServices, parts: readonly Uint8Array[]): unknown[] {
  return parts.map((encoded) => {
    const part = services.chords.decodePart(encoded)
    if (propagateStates.has(part.state)) throw new MemberFailed(part.taskId, part.value)
    return part.value
  })
}
