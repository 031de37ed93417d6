import { afterEach, describe, expect, it } from 'vitest'
import { BackendError, BackendUnavailableError } from '../errors.ts'
import type { ResultBackend, ResultWrite } from '../result-backend.ts'
import { defineKeyValueBackend, type KeyValueEntry, type KeyValueStore } from './index.ts'

const opened: ResultBackend[] = []

afterEach(async () => {
  for (const backend of opened.splice(0)) await backend.close()
})

function backendOn(openStore: () => Promise<KeyValueStore>): ResultBackend {
  const backend = defineKeyValueBackend({
    name: 'trial',
    packageName: '@ct/contracts',
    capabilities: {
      driverType: 'trial',
      durable: false,
      autoExpire: true,
      format: 'document',
      subscribe: 'poll',
      readers: 'anyone',
      groups: true,
      chord: 'unlock',
      compression: false,
      failureExpires: false,
      maxDocumentBytes: 100,
    },
    description: {
      transport: 'trial',
      hostname: undefined,
      port: undefined,
      userid: undefined,
      virtualHost: undefined,
      ssl: false,
      url: 'trial://',
    },
    openStore,
  })
  opened.push(backend)
  return backend
}

function write(taskId: string, value: string = 'x'): ResultWrite {
  return { taskId, state: 'SUCCESS', ready: true, document: Buffer.from(value), expiresInMs: undefined }
}

describe('store', () => {
  function failing(refuse: (entries: readonly KeyValueEntry[]) => Error | undefined): {
    readonly backend: ResultBackend
    readonly calls: string[]
  } {
    const calls: string[] = []
    const backend = backendOn(async () => ({
      getMany: async (keys) => keys.map(() => undefined),
      set: async () => {},
      delete: async () => {},
      close: async () => {},
      async setUnlessSuccess(entries) {
        calls.push(entries.map(({ key }) => key.slice('celery-task-meta-'.length)).join(' '))
        const error = refuse(entries)
        if (error !== undefined) throw error
      },
    }))
    return { backend, calls }
  }

  it('one refused write costs its caller, not the others of that turn', async () => {
    const { backend, calls } = failing((entries) =>
      entries.some(({ key }) => key.endsWith('bad')) ? new TypeError('bad key') : undefined,
    )
    const connection = await backend.connect({ onNotice: () => {} })
    const outcomes = await Promise.allSettled(
      [[write('a')], [write('b'), write('bad')], [write('c')]].map((writes) => connection.store(writes)),
    )
    expect(outcomes.map(({ status }) => status)).toEqual(['fulfilled', 'rejected', 'fulfilled'])
    expect(outcomes[1]).toMatchObject({ reason: new BackendError('trial failed: bad key') })
    expect(calls).toEqual(['a b bad c', 'a', 'b bad', 'c'])
  })

  it('a store that is away is not asked once more for each caller', async () => {
    const { backend, calls } = failing(() => new BackendUnavailableError('away'))
    const connection = await backend.connect({ onNotice: () => {} })
    const outcomes = await Promise.allSettled([
      connection.store([write('a')]),
      connection.store([write('b')]),
    ])
    expect(outcomes.map(({ status }) => status)).toEqual(['rejected', 'rejected'])
    expect(calls).toEqual(['a b'])
  })

  it('what is larger than the store takes is refused with its size', async () => {
    const { backend } = failing(() => undefined)
    const connection = await backend.connect({ onNotice: () => {} })
    await expect(connection.store([write('a', 'x'.repeat(101))])).rejects.toMatchObject({
      code: 'CT_MESSAGE_TOO_LARGE',
      name: 'MessageTooLargeError',
      details: { bytes: 101, maxBytes: 100 },
    })
  })
})

it('R3: closing the backend ends a connect under way with CT_CLOSED', async () => {
  const backend = backendOn(() => new Promise(() => {}))
  const connecting = backend.connect({ onNotice: () => {} })
  await Promise.all([expect(connecting).rejects.toMatchObject({ code: 'CT_CLOSED' }), backend.close()])
})
