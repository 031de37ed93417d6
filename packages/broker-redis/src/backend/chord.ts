/** Chords counted in Redis, together with Python workers (celery/backends/redis.py 5.7; see the scripts for the guarantees). */
import type { Buffer } from 'node:buffer'
import { randomBytes } from 'node:crypto'
import type { ChordPart, ChordProgress, NativeChord } from '@ct/contracts'
import type { Argument, Link } from '../connection/link.ts'
import { toFailure } from '../connection/failure.ts'
import { asArgument, ttlText } from '../stored-success.ts'
import { chordClaim } from '../scripts/chord-claim.ts'
import { chordFinish } from '../scripts/chord-finish.ts'
import { chordRecord } from '../scripts/chord-record.ts'
import type { ResultKeys } from './keys.ts'

export class RedisChord implements NativeChord {
  readonly #link: Link
  readonly #keys: ResultKeys
  readonly #ordered: boolean

  constructor(link: Link, keys: ResultKeys, ordered: boolean) {
    this.#link = link
    this.#keys = keys
    this.#ordered = ordered
  }

  async begin(chord: {
    readonly groupId: string
    readonly size: number
    readonly expiresInMs: number | undefined
  }): Promise<void> {
    const size = this.#keys.chord(chord.groupId, 's')
    const ttl = ttlText(chord.expiresInMs)
    const set: [string, ...Argument[]] = ['set', size, chord.size, ...(ttl === '' ? [] : ['PX', ttl])]
    // One after the other on one connection: a claim of an earlier run never meets the new size (D57-6).
    await this.#do('begin a chord', () =>
      this.#link.all([['multi'], ['del', this.#keys.chord(chord.groupId, 'c')], set, ['exec']]),
    )
  }

  async record(part: ChordPart): Promise<ChordProgress> {
    const {
      groupId,
      taskId,
      groupIndex,
      expiresInMs,
      claimMs,
      token = randomBytes(16).toString('hex'),
    } = part
    const index = groupIndex === undefined ? '+inf' : String(groupIndex)
    const keys = [...this.#parts(groupId), this.#keys.group(groupId), this.#keys.chord(groupId, 'c')]
    const args = [
      this.#ordered ? '1' : '0',
      index,
      asArgument(part.part),
      `${taskId}:${index}`,
      ttlText(expiresInMs),
      token,
      Math.max(1, Math.round(claimMs)),
    ]
    const reply = await this.#do('record a chord part', () => this.#link.run(chordRecord, keys, args))
    const [state, count, total] = (reply as unknown[]).map(Number) as [number, number, number]
    // Here the second number is how long the claim has to live; a claim without an end cannot be.
    if (state === 3) return { state: 'claimed', retryInMs: Math.max(0, count) }
    if (state === 1) return { state: 'complete', count, total, token }
    if (state === 2) return { state: 'closed' }
    return { state: 'open', count, total: total < 0 ? undefined : total }
  }

  #parts(groupId: string): string[] {
    return (['j', 't', 's', 'd'] as const).map((suffix) => this.#keys.chord(groupId, suffix))
  }

  async parts(groupId: string): Promise<readonly Uint8Array[]> {
    const key = this.#keys.chord(groupId, 'j')
    return (await this.#do('read chord parts', () =>
      this.#link.send(this.#ordered ? 'zrange' : 'lrange', [key, 0, -1]),
    )) as Buffer[]
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
    const keys = [...this.#parts(chord.groupId), this.#keys.chord(chord.groupId, 'c')]
    await this.#do('finish a chord', () =>
      this.#link.run(chordFinish, keys, [chord.token, Math.max(1, Math.round(chord.doneMs))]),
    )
  }

  /** The claim stays until it runs out, as in Celery; without the size nothing completes any more (D57-5). */
  async fail(groupId: string): Promise<void> {
    await this.#do('fail a chord', () => this.#link.send('del', [this.#keys.chord(groupId, 's')]))
  }

  async addMember(groupId: string): Promise<void> {
    await this.#do('add to a chord', () => this.#link.send('incr', [this.#keys.chord(groupId, 't')]))
  }

  async #do<T>(what: string, run: () => Promise<T>): Promise<T> {
    try {
      return await run()
    } catch (error) {
      throw toFailure(error, this.#link.family, this.#link.where, what)
    }
  }
}
