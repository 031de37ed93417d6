/**
 * What a small result store writes; `defineKeyValueBackend` makes a full `ResultBackend` of it.
 *
 * Keys are text, values are bytes. What is optional has a fallback in the kit, weaker where it says so.
 *
 * Duties
 *  K1  `openStore` resolves when the server answered; rejects with `BackendUnavailableError` when it is not there. `close` leaves nothing
 *      open and never rejects.
 *  K2  `getMany` keeps the order of the keys; a missing or expired one is undefined.
 *  K3  `set` replaces; the value is gone after `expiresInMs`, or stays where that is undefined.
 *  K4  `delete` of what is not there is no error.
 *  K5  `setUnlessSuccess` is one atomic step per entry: written unless the value there is a SUCCESS; in the order given. A rejection means
 *      that nothing is known of any of them; the kit then tries those of each caller by themselves, unless the error is retryable. Left
 *      out: the kit reads first, which another process can slip between (as in Celery).
 *  K6  `increment` is atomic; a missing counter starts at 0. It stays for `expiresInMs` after the last increment.
 *  K7  `watch`: after `add` has resolved, every later write to the key is told. Left out: the kit polls.
 *  K8  Loss of the connection is told once through `onLost` (not as a notice too: the kit makes that); calls reject with `BackendUnavailableError` from then on.
 */
import type { ConnectOptions } from '../lifecycle.ts'
import type { NativeChord } from '../result-backend.ts'

export interface KeyValueEvents extends ConnectOptions {
  /** See K8. */
  readonly onLost: (error: Error) => void
}

export interface KeyValueEntry {
  readonly key: string
  readonly value: Uint8Array
  readonly expiresInMs: number | undefined
  /** The value is a SUCCESS itself. */
  readonly success: boolean
}

export interface KeyValueStore {
  getMany(keys: readonly string[]): Promise<readonly (Uint8Array | undefined)[]>
  set(key: string, value: Uint8Array, expiresInMs: number | undefined): Promise<void>
  delete(keys: readonly string[]): Promise<void>
  close(): Promise<void>

  setUnlessSuccess?(entries: readonly KeyValueEntry[]): Promise<void>
  increment?(key: string, expiresInMs: number | undefined): Promise<number>
  /** `value` where the store tells it along; otherwise the kit reads it. */
  watch?(onChange: (key: string, value: Uint8Array | undefined) => void): KeyWatch
  /** Where the store counts chords itself. */
  readonly chord?: NativeChord
  /** Removes what was last written before `olderThan` (epoch ms, R13); resolves to how many. Left out: the store expires by itself. */
  cleanup?(olderThan: number): Promise<number>
}

export interface KeyWatch {
  add(keys: readonly string[]): Promise<void>
  remove(keys: readonly string[]): Promise<void>
  close(): Promise<void>
}
