/**
 * A member of a chord reports its part; whoever completes the chord joins the parts and publishes the body
 * (celery/backends/redis.py, base.py 5.7; D57-1…8).
 *
 *   report ─► record ─┬─ open, closed ─► nothing more to do
 *                     └─ complete (we hold the claim) ─► join ─┬─ values ─► extend the claim ─► publish the body ─► finish
 *                                                              └─ a member failed, no join ─► error procedure ─► fail
 */
import {
  ChordError,
  propagateStates,
  pyRepr,
  readSignature,
  type ChordPart,
  type ResultHandle,
  type SignatureDict,
  type SignatureSource,
} from '@ct/contracts'
import { failChord } from './chord-error.ts'
import { persist } from './effects.ts'
import { joinGroup, MemberFailed } from './join.ts'
import type { TraceServices } from './ports.ts'

/** Who reports: the running task, or a later step of its chain that will never run. */
export interface ChordMember {
  readonly taskId: string
  readonly rootId: string
  readonly groupId: string | null
  readonly groupIndex: number | null
  /** The chord's body. */
  readonly chord: SignatureSource | null
  readonly priority?: number | undefined
}

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
    await reportCounter(services, member, member.groupId, member.chord)
}

async function reportNative(
  services: TraceServices,
  member: ChordMember,
  groupId: string,
  body: SignatureSource,
  state: string,
  result: unknown,
): Promise<void> {
  const { chords } = services
  const claimMs = Math.max(5, Math.trunc(2 * services.chordJoinTimeout)) * 1000
  const part: ChordPart = {
    groupId,
    taskId: member.taskId,
    groupIndex: member.groupIndex ?? undefined,
    part: chords.encodePart(member.taskId, state, result),
    expiresInMs: chords.expiresInMs,
    claimMs,
  }
  // A part that is not recorded hangs the chord; recording it twice does nothing.
  const progress = await persist(services, `A part of chord ${groupId}`, async () =>
    (await chords.native()).record(part),
  )
  if (progress.state !== 'complete') return
  const { token } = progress
  const chord = await chords.native()
  let values: unknown[]
  try {
    const saved = await chords.savedGroup(groupId)
    values =
      saved === undefined ? partValues(services, await chord.parts(groupId)) : await join(services, saved)
  } catch (error) {
    await failChord(services, body, chordErrorOf(error))
    await chord.fail(groupId)
    return
  }
  if (!(await chord.extendClaim({ groupId, token, claimMs: Math.max(claimMs, services.publishBoundMs) }))) {
    services.log.warn(`The claim on chord ${groupId} is lost; another worker publishes its body.`)
    return
  }
  try {
    await publishBody(services, member, body, values)
  } finally {
    await chord.finish({ groupId, token, doneMs: Math.max(2 * claimMs, 300_000) })
  }
}

function partValues(services: TraceServices, parts: readonly Uint8Array[]): unknown[] {
  return parts.map((encoded) => {
    const part = services.chords.decodePart(encoded)
    if (propagateStates.has(part.state)) throw new MemberFailed(part.taskId, part.value)
    return part.value
  })
}

function join(services: TraceServices, group: ResultHandle): Promise<unknown[]> {
  return joinGroup(services.results, group, {
    timeoutMs: services.chordJoinTimeout * 1000,
    pause: (ms) => services.pause(ms),
  })
}

/** A body that cannot be published fails like a failed header; this never rejects. */
async function publishBody(
  services: TraceServices,
  member: ChordMember,
  body: SignatureSource,
  values: readonly unknown[],
): Promise<void> {
  try {
    await sendBody(services, member, body, values)
  } catch (error) {
    services.log.error(`The body of chord ${member.groupId} could not be published.`, { error })
    await failChord(services, body, new ChordError(`Callback error: ${pyRepr(error)}`, { cause: error }))
  }
}

async function sendBody(
  services: TraceServices,
  member: ChordMember,
  body: SignatureSource,
  values: readonly unknown[],
): Promise<void> {
  const { options } = readSignature(body)
  await services.sender.call(body, {
    args: [values],
    // Ids stored in the body (a chord sent by a worker as a step of a chain) win over those of the member that completed it.
    rootId: textOr(options.root_id, member.rootId),
    parentId: textOr(options.parent_id, member.taskId),
    ...(member.priority === undefined ? {} : { priority: member.priority }),
  })
}

function textOr(value: unknown, fallback: string): string {
  return typeof value === 'string' && value !== '' ? value : fallback
}

function chordErrorOf(error: unknown): ChordError {
  if (error instanceof MemberFailed) return error.asChordError()
  if (error instanceof ChordError) return error
  return new ChordError(`Join error: ${pyRepr(error)}`, { cause: error })
}

/** Stores with a plain counter: the members' own documents are read when the count is full. */
async function reportCounter(
  services: TraceServices,
  member: ChordMember,
  groupId: string,
  body: SignatureSource,
): Promise<void> {
  const { chords } = services
  let group: ResultHandle | undefined
  try {
    group = await chords.savedGroup(groupId)
  } catch (error) {
    await failChord(
      services,
      body,
      new ChordError(`Cannot restore group: ${pyRepr(error)}`, { cause: error }),
    )
    return
  }
  if (group === undefined) {
    await failChord(services, body, new ChordError(`GroupResult ${groupId} no longer exists`))
    return
  }
  const counter = await chords.counter()
  const count = await counter.increment(groupId, { expiresInMs: chords.expiresInMs })
  const size = sizeOf(readSignature(body), group)
  if (count > size) services.log.warn(`Chord counter incremented too many times for '${groupId}'`)
  if (count !== size) return
  try {
    const values = await join(services, group).catch(async (error: unknown) => {
      const reason = error instanceof MemberFailed ? pyRepr(error.error) : pyRepr(error)
      await failChord(services, body, new ChordError(reason, { cause: error }))
      return undefined
    })
    if (values !== undefined) await publishBody(services, member, body, values)
  } finally {
    await chords.forgetGroup(groupId)
    await counter.remove(groupId)
  }
}

function sizeOf(body: SignatureDict, group: ResultHandle): number {
  return body.chord_size ?? group.children?.length ?? 0
}
