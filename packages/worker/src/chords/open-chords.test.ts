/** What the watch over open chords makes of what it sees, with a store and a clock of its own. */
import { encodeChordNote } from '@ct/client'
import { BackendError, type ChordStanding, type NativeChord, type SignatureDict } from '@ct/contracts'
import { describe, expect, it } from 'vitest'
import type { TraceServices } from '../trace/index.ts'
import { OpenChords } from './open-chords.ts'

const sweepMs = 1000
const stallMs = 10_000

const body = (id: string): SignatureDict => ({
  task: 'body',
  args: [],
  kwargs: {},
  options: { task_id: id },
  subtask_type: null,
  immutable: false,
})

class Store {
  readonly standings = new Map<string, ChordStanding | Error>()
  readonly notes = new Map<string, Uint8Array>()
  readonly failed: string[] = []
  readonly lines: string[] = []
  now = 0
  readonly watch: OpenChords

  constructor() {
    const line = (message: string): void => void this.lines.push(message)
    const chord = {
      extendClaim: () => Promise.resolve(true),
      fail: (groupId: string) => {
        this.failed.push(groupId)
        this.standings.delete(groupId)
        return Promise.resolve()
      },
      watch: {
        look: (groupId: string) => {
          const standing = this.standings.get(groupId)
          return standing instanceof Error ? Promise.reject(standing) : Promise.resolve(standing)
        },
        remember: (groupId: string, note: Uint8Array) => {
          this.notes.set(groupId, note)
          return Promise.resolve()
        },
        recall: () => Promise.resolve(this.notes),
        forget: (groupIds: readonly string[]) => {
          for (const groupId of groupIds) this.notes.delete(groupId)
          return Promise.resolve()
        },
      },
    } as unknown as NativeChord
    const services = {
      chords: { native: () => Promise.resolve(chord), expiresInMs: 60_000 },
      chordJoinTimeout: 3,
      defaults: 'ct',
      log: { warn: line, error: line },
      results: { encode: () => undefined, meta: () => Promise.resolve(undefined) },
    } as unknown as TraceServices
    this.watch = new OpenChords({ services: () => services, sweepMs, stallMs, now: () => this.now })
  }

  /** As the sender of a chord does. */
  begin(groupId: string, total: number): void {
    this.standings.set(groupId, { size: total, total, count: 0, reported: [] })
    const [since, progressAt] = [this.now, this.now]
    this.notes.set(
      groupId,
      encodeChordNote({ body: body(groupId), rootId: 'r', taskId: 't', since, progressAt, count: 0 }),
    )
  }

  async sweepUntil(end: number): Promise<void> {
    for (; this.now < end; this.now += sweepMs) await this.watch.sweep()
  }
}

describe('the watch over open chords', () => {
  it('CANVAS-70: the time without a part begins with the latest part, the first one too, whoever saw it', async () => {
    const store = new Store()
    store.begin('g', 2)
    await store.sweepUntil(stallMs - sweepMs)
    store.standings.set('g', { size: 2, total: 2, count: 1, reported: ['a'] })
    await store.sweepUntil(2 * stallMs - 3 * sweepMs)
    expect(store.failed).toEqual([])
    await store.sweepUntil(2 * stallMs + 2 * sweepMs)
    expect(store.failed).toEqual(['g'])
  })

  it('CANVAS-70: a chord that nobody can look at does not keep the others from being looked after', async () => {
    const store = new Store()
    store.begin('broken', 2)
    store.begin('other', 2)
    store.standings.set('broken', new BackendError('WRONGTYPE'))
    await store.sweepUntil(stallMs + 2 * sweepMs)
    expect(store.failed).toEqual(['other'])
    // It is not looked at for ever either.
    expect([...store.notes.keys()]).toEqual([])
    expect(store.lines.filter((line) => line.includes('broken')).at(-1)).toBe(
      'Chord broken could not be looked after; it is given up.',
    )
  })

  it('CANVAS-70: the numbers of a body stay as its sender wrote them', async () => {
    const store = new Store()
    store.begin('g', 2)
    const note = new TextDecoder().decode(store.notes.get('g'))
    const numbers = '[9007199254740993, 1.0]'
    store.notes.set('g', new TextEncoder().encode(note.replace('"args": []', `"args": ${numbers}`)))
    store.standings.set('g', { size: 2, total: 2, count: 1, reported: ['a'] })
    await store.sweepUntil(3 * sweepMs)
    expect(new TextDecoder().decode(store.notes.get('g'))).toContain(`"args": ${numbers}`)
    expect(new TextDecoder().decode(store.notes.get('g'))).toContain('"count": 1')
  })

  it('CTRL-44: nor from being listed', async () => {
    const store = new Store()
    store.begin('broken', 2)
    store.begin('other', 2)
    store.standings.set('broken', new BackendError('WRONGTYPE'))
    expect((await store.watch.list()).map(({ group_id: groupId }) => groupId)).toEqual(['other'])
  })
})
