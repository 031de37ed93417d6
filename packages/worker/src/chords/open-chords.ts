/**
 * Looks after chords that stay open, so that none hangs silently (ct's own; Celery has no sweeper, D57-3).
 *
 *   a part came, others are missing ─► watched ─┬─ closed meanwhile ──────────────────────────────► forgotten
 *                                               ├─ complete, its finisher is gone ─► claimed ─────► body published
 *                                               ├─ no new part for `stallMs` ──────► claimed ─────► body fails with a reason
 *                                               └─ the store has lost its size ────► told again ──► as before
 *
 * Who sends a chord leaves a note on it in the store, which goes with the chord. What is open for a whole sweep is watched by all workers, also where no
 * part of it has come; whoever acts holds the chord's claim, hence one acts only. Of chords that others sent, a worker watches those it saw a part of, and
 * notes them itself when they are open for a sweep.
 */
import { randomBytes } from 'node:crypto'
import { encodeChordNote } from '@ct/client'
import {
  ChordError,
  isRetryable,
  readSignature,
  type ChordStanding,
  type NativeChord,
  type SignatureSource,
} from '@ct/contracts'
import { idOfBody, readNote, shownIds, stalled } from './watched-chord.ts'
import { UnsizedChords } from './unsized-chords.ts'
import type { WatchedChord } from './watched-chord.ts'
import {
  claimMsOf,
  completeChord,
  failChord,
  reportPart,
  type ChordMember,
  type OpenChordsPort,
  type TraceServices,
} from '../trace/index.ts'

export interface OpenChordsOptions {
  readonly services: () => TraceServices
  /** Milliseconds between sweeps. */
  readonly sweepMs: number
  /** Milliseconds without a new part after which a chord fails. */
  readonly stallMs: number
  /** Epoch ms. */
  readonly now: () => number
}

/** An open chord, as `inspect chords` shows it. */
export interface OpenChord {
  readonly group_id: string
  readonly body: string
  readonly body_id: string | null
  readonly count: number
  readonly total: number
  /** At most 20 of the members whose parts have come. */
  readonly reported: readonly string[]
  /** Seconds. */
  readonly open_for: number
  readonly last_part_ago: number
  readonly fails_in: number
}

/** Chords looked after by one worker; beyond it the newest go unwatched, until there is room. */
const mostWatched = 10_000

export class OpenChords implements OpenChordsPort {
  readonly #options: OpenChordsOptions
  readonly #watched = new Map<string, WatchedChord>()
  readonly #unsized: UnsizedChords
  #timer: NodeJS.Timeout | undefined
  #sweeping: Promise<void> | undefined

  constructor(options: OpenChordsOptions) {
    this.#options = options
    this.#unsized = new UnsizedChords({ look: (groupId) => this.#isSized(groupId), mostMs: options.sweepMs })
  }

  start(): void {
    this.#timer = setInterval(() => void this.sweep(), this.#options.sweepMs)
    this.#timer.unref()
  }

  async stop(): Promise<void> {
    clearInterval(this.#timer)
    await Promise.all([this.#sweeping, this.#unsized.stop()])
  }

  seen(groupId: string, body: SignatureSource, member: ChordMember, total: number | undefined): void {
    if (total === undefined) this.#unsized.add(groupId)
    const now = this.#options.now()
    const known = this.#watched.get(groupId)
    if (known !== undefined) known.progressAt = now
    else if (this.#watched.size < mostWatched) {
      const { rootId, taskId } = member
      this.#watched.set(groupId, {
        body,
        rootId,
        taskId,
        since: now,
        progressAt: now,
        count: 0,
        size: undefined,
        noted: false,
        looked: false,
      })
    }
  }

  ended(groupId: string): void {
    const known = this.#watched.get(groupId)
    // A note is taken back by the next sweep, together with others.
    if (known?.noted !== true) this.#watched.delete(groupId)
  }

  /** Looks at every chord that has been open for a sweep. Never rejects; one at a time. */
  sweep(): Promise<void> {
    return (this.#sweeping ??= this.#sweep()
      .catch((error: unknown) => {
        this.#options.services().log.warn('Open chords could not be looked after; trying again.', { error })
      })
      .finally(() => {
        this.#sweeping = undefined
      }))
  }

  /** Chords that are open, the oldest first, with what they wait for. */
  async list(): Promise<OpenChord[]> {
    const chord = await this.#chord()
    await this.#recall(chord)
    const { now, stallMs } = this.#options
    const found: OpenChord[] = []
    for (const [groupId, { body, since, progressAt }] of this.#watched) {
      const standing = await this.#standing(chord, groupId)
      if (standing?.total === undefined) continue
      found.push({
        group_id: groupId,
        ...nameOf(body),
        count: standing.count,
        total: standing.total,
        reported: standing.reported.slice(0, shownIds),
        open_for: (now() - since) / 1000,
        last_part_ago: (now() - progressAt) / 1000,
        fails_in: Math.max(0, progressAt + stallMs - now()) / 1000,
      })
    }
    return found.toSorted((a, b) => b.open_for - a.open_for)
  }

  /** Publishes the body of a chord whose parts are all there. False: nothing is to be repaired here. */
  async repair(groupId: string): Promise<boolean> {
    const chord = await this.#chord()
    await this.#recall(chord)
    const watched = this.#watched.get(groupId)
    const standing = await chord.watch!.look(groupId)
    if (watched === undefined || standing?.total === undefined || standing.count < standing.total)
      return false
    return await this.#complete(chord, groupId, watched)
  }

  /** Fails the body of an open chord. False: it is not open, or somebody else is at it. */
  async fail(groupId: string, reason: string): Promise<boolean> {
    const chord = await this.#chord()
    await this.#recall(chord)
    const watched = this.#watched.get(groupId)
    if (watched === undefined || (await chord.watch!.look(groupId))?.total === undefined) return false
    return await this.#fail(chord, groupId, watched, reason)
  }

  async #chord(): Promise<NativeChord> {
    return await this.#options.services().chords.native()
  }

  async #recall(chord: NativeChord): Promise<void> {
    for (const [groupId, note] of await chord.watch!.recall()) {
      if (this.#watched.has(groupId) || this.#watched.size >= mostWatched) continue
      const watched = readNote(note)
      if (watched !== undefined) this.#watched.set(groupId, watched)
    }
  }

  async #sweep(): Promise<void> {
    const { now, sweepMs, stallMs } = this.#options
    const services = this.#options.services()
    const chord = await this.#chord()
    if (chord.watch === undefined) return
    await this.#recall(chord)
    const over: string[] = []
    for (const [groupId, watched] of this.#watched) {
      if (now() - watched.since < sweepMs) continue
      try {
        if (await this.#isOver(chord, groupId, watched)) over.push(groupId)
      } catch (error) {
        if (isRetryable(error)) throw error
        // One that nobody can look after must not keep the others from it.
        const given = now() - watched.progressAt > stallMs
        if (given) over.push(groupId)
        services.log.error(`Chord ${groupId} could not be looked after${given ? '; it is given up' : ''}.`, {
          error,
        })
      }
    }
    await chord.watch.forget(over)
    for (const groupId of over) this.#watched.delete(groupId)
  }

  async #isOver(chord: NativeChord, groupId: string, watched: WatchedChord): Promise<boolean> {
    const { now, sweepMs, stallMs } = this.#options
    const services = this.#options.services()
    const standing = await chord.watch!.look(groupId)
    if (standing === undefined) return true
    if (standing.total === undefined) return !(await this.#tellSize(chord, groupId, watched, standing))
    watched.size = standing.size
    if (standing.count !== watched.count) {
      // What this worker did not see itself may have come at any time since the last look.
      if (watched.looked || watched.count > 0)
        watched.progressAt = Math.max(watched.progressAt, now() - sweepMs)
      watched.count = standing.count
      watched.noted = false
    }
    watched.looked = true
    if (!watched.noted) {
      await chord.watch!.remember(groupId, encodeChordNote(watched), services.chords.expiresInMs)
      watched.noted = true
    }
    if (standing.count >= standing.total && now() - watched.progressAt > claimMsOf(services))
      await this.#complete(chord, groupId, watched)
    else if (standing.count < standing.total && now() - watched.progressAt > stallMs) {
      if (await this.#hasEnded(watched)) return true
      await this.#fail(chord, groupId, watched, stalled(groupId, standing, stallMs))
    }
    return false
  }

  async #isSized(groupId: string): Promise<boolean> {
    const watched = this.#watched.get(groupId)
    if (watched === undefined) return true
    try {
      const chord = await this.#chord()
      const standing = await chord.watch?.look(groupId)
      if (standing === undefined) return true
      if (standing.total === undefined) return false
      if (standing.count >= standing.total) await this.#complete(chord, groupId, watched)
      return true
    } catch (error) {
      this.#options.services().log.warn(`Chord ${groupId} could not be looked at; trying again.`, { error })
      return false
    }
  }

  /** For answers, which are not to fail by one chord of many. */
  async #standing(chord: NativeChord, groupId: string): Promise<ChordStanding | undefined> {
    try {
      return await chord.watch!.look(groupId)
    } catch (error) {
      if (isRetryable(error)) throw error
      this.#options.services().log.error(`Chord ${groupId} could not be looked at.`, { error })
      return undefined
    }
  }

  /**
   * A store under pressure throws away one key of a chord and keeps the others. False: the chord is over, its size went because it has failed; its
   * body has a result then.
   */
  async #tellSize(
    chord: NativeChord,
    groupId: string,
    watched: WatchedChord,
    { count }: ChordStanding,
  ): Promise<boolean> {
    if (await this.#hasEnded(watched)) return false
    const { log, chords } = this.#options.services()
    const { size } = watched
    await chord.begin({ groupId, size: size ?? count + 1, expiresInMs: chords.expiresInMs })
    if (size === undefined)
      return await this.#fail(
        chord,
        groupId,
        watched,
        `Chord ${groupId} has lost its size: nobody knows how many parts are missing`,
      )
    log.warn(`The result store has lost the size of chord ${groupId}: it is ${size} again.`)
    return true
  }

  /** Whether there is a result of the body. */
  async #hasEnded({ body }: WatchedChord): Promise<boolean> {
    const id = idOfBody(body)
    return id !== undefined && (await this.#options.services().results.meta(id)) !== undefined
  }

  async #complete(chord: NativeChord, groupId: string, watched: WatchedChord): Promise<boolean> {
    const services = this.#options.services()
    const token = randomBytes(16).toString('hex')
    if (!(await chord.extendClaim({ groupId, token, claimMs: claimMsOf(services) }))) return false
    services.log.warn(`Chord ${groupId} was complete, but nobody published its body; doing it now.`)
    await completeChord(services, memberOf(groupId, watched), groupId, watched.body, token)
    await this.#forget(chord, groupId)
    return true
  }

  async #fail(chord: NativeChord, groupId: string, watched: WatchedChord, reason: string): Promise<boolean> {
    const services = this.#options.services()
    const token = randomBytes(16).toString('hex')
    if (!(await chord.extendClaim({ groupId, token, claimMs: claimMsOf(services) }))) return false
    await failChord(services, watched.body, new ChordError(reason), reportPart)
    await chord.fail(groupId)
    await this.#forget(chord, groupId)
    return true
  }

  async #forget(chord: NativeChord, groupId: string): Promise<void> {
    this.#watched.delete(groupId)
    await chord.watch!.forget([groupId])
  }
}

function nameOf(body: SignatureSource): Pick<OpenChord, 'body' | 'body_id'> {
  try {
    const { task, options } = readSignature(body)
    return { body: task, body_id: options.task_id ?? null }
  } catch {
    return { body: '?', body_id: null }
  }
}

function memberOf(groupId: string, { taskId, rootId, body }: WatchedChord): ChordMember {
  return { taskId, rootId, groupId, groupIndex: null, chord: body }
}
