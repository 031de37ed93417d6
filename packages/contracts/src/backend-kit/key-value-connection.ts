/** Connection of the key-value kit: Celery's keys over get, set and delete. */
import type { CallOptions } from '../broker.ts'
import { aborted, raceSignal, TurnBatch } from '../broker-kit/index.ts'
import {
  BackendError,
  BackendUnavailableError,
  type CeleryError,
  ClosedError,
  isCeleryError,
  MessageTooLargeError,
} from '../errors.ts'
import type { NoticeListener } from '../notice.ts'
import type {
  ChordCounter,
  NativeChord,
  ResultBackendCapabilities,
  ResultBackendConnection,
  ResultSubscription,
  ResultWrite,
  StoredResult,
} from '../result-backend.ts'
import type { KeyValueEntry, KeyValueStore } from './key-value-store.ts'
import { chordKeyPrefix, groupKeyPrefix, taskKeyPrefix } from './result-keys.ts'
import { SharedSubscription, type ResultWatch } from './shared-subscription.ts'

export interface KeyValueSetup {
  readonly name: string
  readonly store: KeyValueStore
  readonly capabilities: ResultBackendCapabilities
  readonly keyPrefix: string
  readonly pollMs: { readonly first: number; readonly longest: number }
  readonly isSuccess: (document: Uint8Array) => boolean
  readonly onNotice: NoticeListener
  readonly onClosed: () => void
}

export class KeyValueConnection implements ResultBackendConnection {
  readonly chord?: NativeChord
  readonly chordCounter?: ChordCounter
  readonly #setup: KeyValueSetup
  readonly #store: KeyValueStore
  readonly #writes: TurnBatch<readonly ResultWrite[], CeleryError | undefined>
  readonly #subscriptions = new Set<SharedSubscription>()
  #lost: BackendUnavailableError | undefined
  #closing: Promise<void> | undefined
  #closed = false

  constructor(setup: KeyValueSetup) {
    this.#setup = setup
    this.#store = setup.store
    this.#writes = new TurnBatch((batch) => this.#storeAll(batch))
    if (setup.capabilities.chord === 'native' && setup.store.chord !== undefined)
      this.chord = this.#guarded(setup.store.chord)
    if (setup.capabilities.chord === 'counter') this.chordCounter = this.#counter()
  }

  async store(writes: readonly ResultWrite[], options?: CallOptions): Promise<void> {
    this.#check(options)
    const { maxDocumentBytes } = this.#setup.capabilities
    for (const { taskId, document } of writes) {
      if (maxDocumentBytes === null || document.byteLength <= maxDocumentBytes) continue
      throw new MessageTooLargeError(
        `The result of task ${taskId} has ${document.byteLength} bytes, ${this.#setup.name} takes ${maxDocumentBytes}.`,
        { bytes: document.byteLength, maxBytes: maxDocumentBytes },
      )
    }
    const refused = await raceSignal('The store', this.#writes.add(writes), options?.signal)
    if (refused !== undefined) throw refused
  }

  /** What is refused costs those who asked for it: the others of the same turn are tried by themselves. */
  async #storeAll(batch: readonly (readonly ResultWrite[])[]): Promise<readonly (CeleryError | undefined)[]> {
    try {
      await this.#storeWrites(batch.flat())
    } catch (error) {
      const refused = this.#translate(error)
      if (batch.length === 1 || refused.retryable) return batch.map(() => refused)
      const outcomes: (CeleryError | undefined)[] = []
      for (const writes of batch) outcomes.push(...(await this.#storeAll([writes])))
      return outcomes
    }
    return batch.map(() => undefined)
  }

  async #storeWrites(writes: readonly ResultWrite[]): Promise<void> {
    const entries: KeyValueEntry[] = writes.map((write) => ({
      key: this.#key(taskKeyPrefix, write.taskId),
      value: write.document,
      expiresInMs: write.expiresInMs,
      success: write.state === 'SUCCESS',
    }))
    await this.#guard(async () => {
      if (this.#store.setUnlessSuccess !== undefined) return this.#store.setUnlessSuccess(entries)
      const stored = await this.#store.getMany(entries.map((entry) => entry.key))
      const done = new Set(entries.map(({ key }) => key).filter((_, index) => this.#isSuccess(stored[index])))
      for (const { key, value, expiresInMs, success } of entries) {
        if (done.has(key)) continue
        await this.#store.set(key, value, expiresInMs)
        if (success) done.add(key)
      }
    })
  }

  #isSuccess(document: Uint8Array | undefined): boolean {
    return document !== undefined && this.#setup.isSuccess(document)
  }

  async getMany(
    taskIds: readonly string[],
    options?: CallOptions,
  ): Promise<readonly (StoredResult | undefined)[]> {
    if (taskIds.length === 0) return []
    return this.#guard(() => this.#readMany(taskIds), options)
  }

  async #readMany(taskIds: readonly string[]): Promise<readonly (StoredResult | undefined)[]> {
    const values = await this.#store.getMany(taskIds.map((id) => this.#key(taskKeyPrefix, id)))
    return taskIds.map((taskId, index) => {
      const document = values[index]
      return document === undefined ? undefined : { taskId, document }
    })
  }

  async forget(taskIds: readonly string[], options?: CallOptions): Promise<void> {
    if (taskIds.length === 0) return
    await this.#guard(() => this.#store.delete(taskIds.map((id) => this.#key(taskKeyPrefix, id))), options)
  }

  subscribe(onResult: (result: StoredResult) => void): ResultSubscription {
    this.#check(undefined)
    const subscription = new SharedSubscription({
      read: (taskIds) => this.#readMany(taskIds),
      watch: (onChange) => this.#watch(onChange),
      pollMs: this.#setup.pollMs,
      onResult,
      guard: (call, options) => this.#guard(call, options),
      onFailure: (error) => this.#failed(error),
      onClosed: (closed) => this.#subscriptions.delete(closed),
    })
    this.#subscriptions.add(subscription)
    return subscription
  }

  /** Keys as task ids. */
  #watch(onChange: (taskId: string, result: StoredResult | undefined) => void): ResultWatch | undefined {
    const prefix = this.#key(taskKeyPrefix, '')
    const watch = this.#store.watch?.((key, document) => {
      const taskId = key.slice(prefix.length)
      onChange(taskId, document === undefined ? undefined : { taskId, document })
    })
    if (watch === undefined) return undefined
    const keys = (taskIds: readonly string[]): string[] => taskIds.map((id) => prefix + id)
    return {
      add: (taskIds) => watch.add(keys(taskIds)),
      remove: (taskIds) => watch.remove(keys(taskIds)),
      close: () => watch.close(),
    }
  }

  async storeGroup(
    groupId: string,
    document: Uint8Array,
    options?: CallOptions & { readonly expiresInMs?: number | undefined },
  ): Promise<void> {
    await this.#guard(
      () => this.#store.set(this.#key(groupKeyPrefix, groupId), document, options?.expiresInMs),
      options,
    )
  }

  async getGroup(groupId: string, options?: CallOptions): Promise<Uint8Array | undefined> {
    const [document] = await this.#guard(
      () => this.#store.getMany([this.#key(groupKeyPrefix, groupId)]),
      options,
    )
    return document
  }

  async forgetGroup(groupId: string, options?: CallOptions): Promise<void> {
    await this.#guard(() => this.#store.delete([this.#key(groupKeyPrefix, groupId)]), options)
  }

  cleanup(olderThan: number, options?: CallOptions): Promise<number> {
    return this.#guard(async () => (await this.#store.cleanup?.(olderThan)) ?? 0, options)
  }

  close(): Promise<void> {
    this.#closing ??= this.#close()
    return this.#closing
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.close()
  }

  async #close(): Promise<void> {
    await this.#writes.idle()
    await Promise.all([...this.#subscriptions].map((subscription) => subscription.close()))
    this.#closed = true
    await this.#store.close()
    this.#setup.onClosed()
  }

  /** See K8. */
  lose(error: Error): void {
    if (this.#lost !== undefined || this.#closed) return
    this.#lost = new BackendUnavailableError(
      `The connection to ${this.#setup.name} was lost: ${error.message}`,
      { cause: error },
    )
    if (this.#closing === undefined) this.#setup.onNotice({ kind: 'connection-lost', error: this.#lost })
  }

  #guarded(chord: NativeChord): NativeChord {
    return {
      begin: (begun) => this.#guard(() => chord.begin(begun)),
      record: (part) => this.#guard(() => chord.record(part)),
      parts: (groupId) => this.#guard(() => chord.parts(groupId)),
      extendClaim: (claim) => this.#guard(() => chord.extendClaim(claim)),
      finish: (claim) => this.#guard(() => chord.finish(claim)),
      fail: (groupId) => this.#guard(() => chord.fail(groupId)),
      addMember: (groupId, count) => this.#guard(() => chord.addMember(groupId, count)),
    }
  }

  #counter(): ChordCounter {
    const key = (groupId: string): string => this.#key(chordKeyPrefix, groupId)
    return {
      begin: (groupId) => this.#guard(() => this.#store.delete([key(groupId)])),
      increment: (groupId, { expiresInMs }) =>
        this.#guard(async () => {
          if (this.#store.increment === undefined) throw new BackendError(`${this.#setup.name} cannot count.`)
          return this.#store.increment(key(groupId), expiresInMs)
        }),
      remove: (groupId) => this.#guard(() => this.#store.delete([key(groupId)])),
    }
  }

  #key(prefix: string, id: string): string {
    return this.#setup.keyPrefix + prefix + id
  }

  #check(options: CallOptions | undefined): void {
    if (this.#closed) throw new ClosedError(`The connection to ${this.#setup.name} is closed.`)
    if (this.#lost !== undefined) throw this.#lost
    if (options?.signal?.aborted === true) throw aborted('The call', options.signal)
  }

  async #guard<T>(call: () => Promise<T>, options?: CallOptions): Promise<T> {
    this.#check(options)
    try {
      return await raceSignal('The call', call(), options?.signal)
    } catch (error) {
      throw this.#translate(error)
    }
  }

  #translate(error: unknown): CeleryError {
    if (isCeleryError(error)) return error
    if (this.#lost !== undefined) return this.#lost
    const message = error instanceof Error ? error.message : String(error)
    return new BackendError(`${this.#setup.name} failed: ${message}`, { cause: error })
  }

  /** Something went wrong where nobody waits for an answer. */
  #failed(error: unknown): void {
    if (this.#closed || this.#closing !== undefined) return
    this.lose(error instanceof Error ? error : new Error(String(error)))
  }
}
