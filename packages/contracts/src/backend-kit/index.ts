/** Kit for result stores that are maps of keys to bytes: write a {@link KeyValueStore}, get a `ResultBackend`. */
export { defineKeyValueBackend } from './define-key-value-backend.ts'
export type { KeyValueBackendOptions } from './define-key-value-backend.ts'
export { documentIsSuccess } from './document-success.ts'
export type { KeyValueEntry, KeyValueEvents, KeyValueStore, KeyWatch } from './key-value-store.ts'
export { chordKeyPrefix, groupKeyPrefix, taskKeyPrefix } from './result-keys.ts'
export { SharedSubscription } from './shared-subscription.ts'
export type { ResultWatch, SharedSubscriptionOptions } from './shared-subscription.ts'
