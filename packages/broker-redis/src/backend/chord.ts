/** Chords counted in Redis, together with Python workers (celery/backends/redis.py 5.7; see the scripts for the guarantees). */
import type { Buffer } from 'node:buffer'
import type { ChordPart, ChordProgress, ChordStanding, ChordWatch, NativeChord } from '@ct/contracts'
import type { Argument, Link } from '../connection/link.ts'
import { toFailure } from '../connection/failure.ts'
import { asArgument, ttlText } from '../stored-success.ts'
import { chordBegin } from '../scripts/chord-begin.ts'
import { chordClaim } from '../scripts/chord-claim.ts'
import { chordFinish } from '../scripts/chord-finish.ts'
import { chordRecord } from '../scripts/chord-record.ts'
import { progressOf, recordCall } from './chord-part.ts'
import type { ResultKeys } from './keys.ts'

/** Of begun chords; as many as one worker looks after. */
const mostNotes = 10_000

export class RedisChord implements NativeChord {
  readonly #link: Link
  readonly #keys: ResultKeys
  readonly #ordered: boolean

  constructor(link: Link, keys: ResultKeys, ordered: boolean) {
    this.#link = link
    this.#keys = keys
    this.#ordered = ordered
  }

  async begin({ groupId, size, expiresInMs, note }: Parameters<NativeChord['begin']>[0]): Promise<void> {
    const keys = [this.#keys.chord(groupId, 'c'), this.#keys.chord(groupId, 's'), this.#keys.openChords]
    const args = [size, ttlText(expiresInMs), groupId, note === undefined ? '' : asArgument(note), mostNotes]
    await this.#do('begin a chord', () => this.#link.run(chordBegin, keys, args))
  }

  async record(part: ChordPart): Promise<ChordProgress> {
    const { keys, args, token } = recordCall(this.#keys, this.#ordered, part)
    const reply = await this.#do('record a chord part', () => this.#link.run(chordRecord, keys, args))
    return progressOf(reply as unknown[], token)
  }

  async parts(groupId: string): Promise<readonly Uint8Array[]> {
    const key = this.#keys.chord(groupId, 'j')
    return (await this.#do('read chord parts', async () =>
      this.#link.send((await this.#isOrdered(key)) ? 'zrange' : 'lrange', [key, 0, -1]),
    )) as Buffer[]
  }

  /** As the first part was written, whoever did it (PAIN-70). */
  async #isOrdered(key: string): Promise<boolean> {
    const kind = String(await this.#link.send('type', [key]))
    return kind === 'zset' || (kind !== 'list' && this.#ordered)
  }

  async extendClaim(chord: {
    readonly groupId: string
    readonly token: string
    readonly claimMs: number
  }): Promise<boolean> {
    const keys = [this.#keys.chord(chord.groupId, 'c'), this.#keys.chord(chord.groupId, 's')]
    const args = [chord.token, Math.max(1, Math.round(chord.claimMs))]
    return Number(await this.#do('keep a chord', () => this.#link.run(chordClaim, keys, args))) === 1
  }

  async finish(chord: {
    readonly groupId: string
    readonly token: string
    readonly doneMs: number
  }): Promise<void> {
    const { groupId, token, doneMs } = chord
    const keys = [...this.#keys.chordParts(groupId), this.#keys.chord(groupId, 'c'), this.#keys.openChords]
    await this.#do('finish a chord', () =>
      this.#link.run(chordFinish, keys, [token, Math.max(1, Math.round(doneMs)), groupId]),
    )
  }

  /** The claim stays until it runs out, as in Celery; without the size nothing completes any more (D57-5). */
  async fail(groupId: string): Promise<void> {
    await this.#do('fail a chord', () =>
      this.#link.all([
        ['del', this.#keys.chord(groupId, 's')],
        ['hdel', this.#keys.openChords, groupId],
      ]),
    )
  }

  async addMember(groupId: string, count: number = 1): Promise<void> {
    await this.#do('add to a chord', () =>
      this.#link.send('incrby', [this.#keys.chord(groupId, 't'), String(count)]),
    )
  }

  readonly watch: ChordWatch = {
    look: (groupId) => this.#look(groupId),
    remember: async (groupId, note, expiresInMs) => {
      const key = this.#keys.openChords
      await this.#do('note a chord', () =>
        this.#link.all([
          ['hset', key, groupId, asArgument(note)],
          // As long as the chord whose keys live longest.
          ...(expiresInMs === undefined
            ? []
            : [['pexpire', key, Math.round(expiresInMs)] as [string, ...Argument[]]]),
        ]),
      )
    },
    recall: async () => {
      const found = (await this.#do('read notes on chords', () =>
        this.#link.send('hgetall', [this.#keys.openChords]),
      )) as unknown
      return notesOf(found)
    },
    forget: async (groupIds) => {
      if (groupIds.length === 0) return
      await this.#do('forget chords', () => this.#link.send('hdel', [this.#keys.openChords, ...groupIds]))
    },
  }

  async #look(groupId: string): Promise<ChordStanding | undefined> {
    const [parts, added, sizeKey, members] = this.#keys.chordParts(groupId) as [
      string,
      string,
      string,
      string,
    ]
    const [count, more, total, ids, claim] = (await this.#do('look at a chord', async () =>
      this.#link.all([
        [(await this.#isOrdered(parts)) ? 'zcard' : 'llen', parts],
        ['get', added],
        ['get', sizeKey],
        ['smembers', members],
        ['get', this.#keys.chord(groupId, 'c')],
      ]),
    )) as [unknown, unknown, unknown, unknown, unknown]
    const size = total === null || total === undefined ? undefined : Number(String(total))
    // Claimed and without a size, or without parts, it is done or has failed.
    if (size === undefined && (Number(count) === 0 || (claim !== null && claim !== undefined)))
      return undefined
    // Members of `.d` are `<task id>:<group index>`.
    const reported = [...(ids as Iterable<unknown>)].map((one) => String(one).replace(/:[^:]*$/, ''))
    return {
      count: Number(count),
      total: size === undefined ? undefined : size + Number(more === null ? 0 : String(more)),
      size,
      reported,
    }
  }

  async #do<T>(what: string, run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      throw toFailure(error, this.#link.family, this.#link.where, what)
    }
  }
}

/** Old servers answer with a list of names and values, new ones with a map. */
function notesOf(found: unknown): Map<string, Uint8Array> {
  if (found instanceof Map)
    return new Map([...(found as Map<unknown, Uint8Array>)].map(([name, note]) => [String(name), note]))
  const notes = new Map<string, Uint8Array>()
  if (Array.isArray(found))
    for (let at = 0; at + 1 < found.length; at += 2) notes.set(String(found[at]), found[at + 1] as Uint8Array)
  else
    for (const [name, note] of Object.entries((found ?? {}) as Record<string, Uint8Array>))
      notes.set(name, note)
  return notes
}
