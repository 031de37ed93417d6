/** The key-value kit on the least that a store can do: get, set, delete; no expiry of its own, no conditional write, no counter, no watching. */
import type { ResultBackend, ResultBackendCapabilities } from '@ct/contracts'
import { defineKeyValueBackend } from '@ct/contracts/backend-kit'
import { resultBackendConformance } from '../src/conformance/index.ts'

const capabilities: ResultBackendCapabilities = {
  driverType: 'plain',
  durable: true,
  autoExpire: false,
  format: 'document',
  subscribe: 'poll',
  readers: 'anyone',
  groups: true,
  chord: 'unlock',
  compression: false,
  failureExpires: false,
  maxDocumentBytes: null,
}

type Files = Map<string, { readonly value: Uint8Array; readonly writtenAt: number }>

function plainBackend(files: Files, lines: Set<(error: Error) => void>): ResultBackend {
  return defineKeyValueBackend({
    name: 'plain',
    packageName: '@ct/testing',
    capabilities,
    description: {
      transport: 'plain',
      hostname: undefined,
      port: undefined,
      userid: undefined,
      virtualHost: undefined,
      ssl: false,
      url: 'plain://',
    },
    pollMs: { first: 5, longest: 40 },
    keyPrefix: 'proj.',
    openStore: async ({ onLost }) => {
      lines.add(onLost)
      return {
        getMany: async (keys) => keys.map((key) => files.get(key)?.value),
        set: async (key, value) =>
          void files.set(key, { value: Uint8Array.from(value), writtenAt: Date.now() }),
        delete: async (keys) => keys.forEach((key) => files.delete(key)),
        async cleanup(olderThan) {
          const old = [...files].filter(([, { writtenAt }]) => writtenAt < olderThan)
          for (const [key] of old) files.delete(key)
          return old.length
        },
        close: async () => void lines.delete(onLost),
      }
    },
  })
}

resultBackendConformance(
  'a plain store',
  async () => {
    const files: Files = new Map()
    return {
      async peer() {
        const lines = new Set<(error: Error) => void>()
        const cut = async (): Promise<void> => {
          for (const onLost of lines) onLost(new Error('the line broke'))
        }
        return { backend: plainBackend(files, lines), cut }
      },
      close: async () => {},
    }
  },
  { capabilities, conditionalWrites: false, without: ['unreachable'] },
)
