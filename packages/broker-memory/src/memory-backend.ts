/** A result backend inside this process; with a broker of the same name, results and acks go in one step. */
import type { ResultBackend } from '@ct/contracts'
import {
  defineKeyValueBackend,
  type KeyValueEvents,
  type KeyValueStore,
  type KeyWatch,
} from '@ct/contracts/backend-kit'
import { memoryHub, onHub, type MemoryHub } from './memory-hub.ts'
import { describeHub, hubName, type MemoryOptions } from './options.ts'

/** Makes a result backend on the hub that `options` name. */
export function memoryBackend(options: MemoryOptions = {}): ResultBackend {
  const hub = memoryHub(hubName('memoryBackend', options), options.time)
  const backend: ResultBackend = defineKeyValueBackend({
    name: 'memory',
    packageName: '@ct/broker-memory',
    description: describeHub('cache+memory', hub.name),
    capabilities: {
      driverType: 'memory',
      durable: false,
      autoExpire: true,
      format: 'document',
      subscribe: 'push',
      readers: 'anyone',
      groups: true,
      chord: 'native',
      compression: false,
      failureExpires: true,
      maxDocumentBytes: null,
    },
    openStore: async (events) => memoryKeyValues(hub, backend, events),
  })
  return onHub(hub, backend)
}

function memoryKeyValues(hub: MemoryHub, owner: object, { onLost }: KeyValueEvents): KeyValueStore {
  const { results, chords } = hub
  const connection = {}
  hub.attach(connection, owner, onLost)
  return {
    chord: chords,
    getMany: async (keys) => keys.map((key) => results.get(key)),
    set: async (key, value, expiresInMs) => results.set({ key, value, expiresInMs, success: false }),
    setUnlessSuccess: async (entries) => entries.forEach((entry) => results.setUnlessSuccess(entry)),
    delete: async (keys) => keys.forEach((key) => results.delete(key)),
    watch: (onChange) => watchKeys(hub, onChange),
    cleanup: async () => results.removeExpired(),
    close: async () => hub.detach(connection),
  }
}

function watchKeys(hub: MemoryHub, onChange: (key: string, value: Uint8Array) => void): KeyWatch {
  const watched = new Set<string>()
  const end = hub.results.watch((key, value) => {
    if (watched.has(key)) onChange(key, value)
  })
  return {
    add: async (keys) => keys.forEach((key) => watched.add(key)),
    remove: async (keys) => keys.forEach((key) => watched.delete(key)),
    close: async () => end(),
  }
}
