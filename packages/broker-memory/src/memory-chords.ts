/**
 * Chords of the hub, counted as Celery 5.7.0 counts them on Redis (D57-1…8), so that chord code can be tested without a server.
 * The states are those above `NativeChord`; a chord that expired or was never begun has no record.
 */
import type { ChordPart, ChordProgress, ChordWatch, NativeChord } from '@ct/contracts'

interface Chord {
  /** Undefined: not begun yet (a part may be faster than `begin`), or failed. */
  size: number | undefined
  readonly parts: Map<string, { readonly index: number; readonly part: Uint8Array }>
  claim: { readonly token: string; until: number } | undefined
  failed: boolean
  /** Epoch ms until which late parts are known to be late. */
  doneUntil: number | undefined
  /** Epoch ms. */
  expiresAt: number | undefined
}

export class MemoryChords implements NativeChord {
  readonly #chords = new Map<string, Chord>()
  readonly #now: () => number

  constructor(now: () => number = Date.now) {
    this.#now = now
  }

  async begin({ groupId, size, expiresInMs, note }: Parameters<NativeChord['begin']>[0]): Promise<void> {
    const chord = this.#chord(groupId)
    chord.size = size
    chord.failed = false
    chord.claim = undefined
    chord.doneUntil = undefined
    this.#touch(chord, expiresInMs)
    if (note !== undefined) this.#notes.set(groupId, Uint8Array.from(note))
  }

  async addMember(groupId: string, count: number = 1): Promise<void> {
    const chord = this.#chord(groupId)
    chord.size = (chord.size ?? 0) + count
  }

  async record({
    groupId,
    taskId,
    groupIndex,
    part,
    expiresInMs,
    claimMs,
    token = crypto.randomUUID().replaceAll('-', ''),
  }: ChordPart): Promise<ChordProgress> {
    const chord = this.#chord(groupId)
    if (chord.doneUntil !== undefined || chord.failed) return { state: 'closed' }
    // The first result of a task counts; a redelivered run changes nothing but may claim a chord whose claim ran out.
    if (!chord.parts.has(taskId)) {
      chord.parts.set(taskId, { index: groupIndex ?? Infinity, part: Uint8Array.from(part) })
    }
    this.#touch(chord, expiresInMs)
    const count = chord.parts.size
    if (chord.size === undefined || count < chord.size) return { state: 'open', count, total: chord.size }
    const { claim } = chord
    if (claim !== undefined && claim.token !== token && this.#claimed(chord))
      return { state: 'claimed', retryInMs: claim.until - this.#now() }
    if (!this.#claimed(chord)) chord.claim = { token, until: this.#now() + claimMs }
    return { state: 'complete', count, total: chord.size, token }
  }

  async parts(groupId: string): Promise<readonly Uint8Array[]> {
    const parts = [...(this.#live(groupId)?.parts.values() ?? [])]
    // Stable: parts without an index keep the order in which they came, after the others.
    return parts.toSorted((a, b) => (a.index === b.index ? 0 : a.index - b.index)).map(({ part }) => part)
  }

  async extendClaim({
    groupId,
    token,
    claimMs,
  }: Parameters<NativeChord['extendClaim']>[0]): Promise<boolean> {
    const chord = this.#live(groupId)
    if (chord?.size === undefined || chord.doneUntil !== undefined) return false
    if (this.#claimed(chord) && chord.claim?.token !== token) return false
    chord.claim = { token, until: this.#now() + claimMs }
    return true
  }

  async finish({ groupId, token, doneMs }: Parameters<NativeChord['finish']>[0]): Promise<void> {
    const chord = this.#live(groupId)
    if (chord?.claim?.token !== token) return
    chord.parts.clear()
    chord.size = undefined
    chord.claim = undefined
    chord.doneUntil = this.#now() + doneMs
    this.#notes.delete(groupId)
    chord.expiresAt = chord.doneUntil
  }

  async fail(groupId: string): Promise<void> {
    const chord = this.#chord(groupId)
    chord.size = undefined
    chord.failed = true
    this.#notes.delete(groupId)
  }

  readonly #notes = new Map<string, Uint8Array>()
  readonly watch: ChordWatch = {
    look: async (groupId) => {
      const chord = this.#live(groupId)
      if (chord?.size === undefined || chord.failed || chord.doneUntil !== undefined) return undefined
      return {
        total: chord.size,
        size: chord.size,
        count: chord.parts.size,
        reported: [...chord.parts.keys()],
      }
    },
    remember: async (groupId, note) => void this.#notes.set(groupId, Uint8Array.from(note)),
    recall: async () => new Map(this.#notes),
    forget: async (groupIds) => {
      for (const id of groupIds) this.#notes.delete(id)
    },
  }

  #claimed(chord: Chord): boolean {
    return chord.claim !== undefined && chord.claim.until > this.#now()
  }

  #touch(chord: Chord, expiresInMs: number | undefined): void {
    chord.expiresAt = expiresInMs === undefined ? undefined : this.#now() + expiresInMs
  }

  #live(groupId: string): Chord | undefined {
    const chord = this.#chords.get(groupId)
    if (chord?.expiresAt === undefined || chord.expiresAt > this.#now()) return chord
    this.#chords.delete(groupId)
    return undefined
  }

  #chord(groupId: string): Chord {
    let chord = this.#live(groupId)
    if (chord === undefined) {
      // Chords that were done or given up long ago: now and then all are looked at.
      if (this.#chords.size % 1_000 === 999) for (const id of [...this.#chords.keys()]) this.#live(id)
      chord = {
        size: undefined,
        parts: new Map(),
        claim: undefined,
        failed: false,
        doneUntil: undefined,
        expiresAt: undefined,
      }
      this.#chords.set(groupId, chord)
    }
    return chord
  }
}
