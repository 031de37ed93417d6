/**
 * Chords of stores with a plain counter (celery/backends/base.py 5.7, `on_chord_part_return`): the members' own documents are read when the
 * count is full.
 */
import {
  ChordError,
  isRetryable,
  pyRepr,
  readSignature,
  type ResultHandle,
  type SignatureDict,
  type SignatureSource,
} from '@ct/contracts'
import { publishBody } from './chord-body.ts'
import { failChord, type ReportPart } from './chord-error.ts'
import type { ChordMember } from './chord-member.ts'
import { persist } from './effects.ts'
import { allReady, joinChord, MemberFailed } from './join.ts'
import type { TraceServices } from './ports.ts'

export async function reportCounted(
  services: TraceServices,
  member: ChordMember,
  groupId: string,
  body: SignatureSource,
  report: ReportPart,
): Promise<void> {
  const { chords } = services
  let group: ResultHandle | undefined
  try {
    group = await persist(services, `The group of chord ${groupId} could not be read`, () =>
      chords.savedGroup(groupId),
    )
  } catch (error) {
    if (isRetryable(error)) throw error
    await failChord(
      services,
      body,
      new ChordError(`Cannot restore group: ${pyRepr(error)}`, { cause: error }),
      report,
    )
    return
  }
  const counter = await chords.counter()
  // Who is first to end the chord: parts that come again, or late, change nothing then.
  const ended = `${groupId}.done`
  const first = async (): Promise<boolean> =>
    services.defaults === 'celery' ||
    (await counter.increment(ended, { expiresInMs: chords.expiresInMs })) === 1
  if (group === undefined) {
    if (await first())
      await failChord(services, body, new ChordError(`GroupResult ${groupId} no longer exists`), report)
    return
  }
  const count = await counter.increment(groupId, { expiresInMs: chords.expiresInMs })
  const size = sizeOf(readSignature(body), group)
  if (services.defaults === 'celery') {
    if (count > size) services.log.warn(`Chord counter incremented too many times for '${groupId}'`)
    if (count !== size) return
  } else {
    if (count < size) return
    const whole = group
    const ready = await persist(services, `The members of chord ${groupId} could not be read`, () =>
      allReady(services.results, whole),
    )
    if (!ready || !(await first())) return
  }
  try {
    const whole = group
    const values = await persist(services, `Chord ${groupId} could not be read`, () =>
      joinChord(services, whole),
    ).catch(async (error: unknown) => {
      if (isRetryable(error)) throw error
      const reason = error instanceof MemberFailed ? pyRepr(error.error) : pyRepr(error)
      await failChord(services, body, new ChordError(reason, { cause: error }), report)
      return undefined
    })
    if (values !== undefined)
      await publishBody(services, member, body, values, () => Promise.resolve(true), report)
  } catch (error) {
    // The worker stops for good: whoever gets this part again ends the chord, and finds its group.
    if (services.defaults === 'ct' && isRetryable(error)) await letGo(services, groupId, ended)
    else await clearUp(services, groupId)
    throw error
  }
  await clearUp(services, groupId)
}

async function clearUp({ chords }: TraceServices, groupId: string): Promise<void> {
  await chords.forgetGroup(groupId)
  await (await chords.counter()).remove(groupId)
}

async function letGo(services: TraceServices, groupId: string, ended: string): Promise<void> {
  try {
    await (await services.chords.counter()).remove(ended)
  } catch (error) {
    services.log.error(
      `Chord ${groupId} was not ended by this worker, which stops, and the result store did not take that note: if no result of its body comes, send the chord again.`,
      { error },
    )
  }
}

function sizeOf(body: SignatureDict, group: ResultHandle): number {
  return body.chord_size ?? group.children?.length ?? 0
}
