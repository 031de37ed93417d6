import { memory } from '@ct/broker-memory'
import {
  ClosedError,
  CompressorRegistry,
  SerializerRegistry,
  type ResultBackend,
  type ResultBackendConnection,
} from '@ct/contracts'
import { expect, it } from 'vitest'
import { ResultStore } from './result-store.ts'

/** A memory backend; `onCall` sees every `getMany` before it is answered. */
function storeWith(onCall: (lose: () => void) => Promise<void>): {
  store: ResultStore
  connects: () => number
} {
  const inner = memory.backend!('memory://lost-under-a-read', {})
  let connects = 0
  const backend: ResultBackend = {
    ...inner,
    capabilities: inner.capabilities,
    connect: async (options) => {
      connects += 1
      const connection = await inner.connect(options)
      const lose = (): void => options.onNotice({ kind: 'connection-lost', error: new Error('cable') })
      return new Proxy(connection, {
        get(target, name) {
          const value: unknown = Reflect.get(target, name)
          if (name === 'getMany')
            return async (...args: Parameters<ResultBackendConnection['getMany']>) => {
              await onCall(lose)
              return await target.getMany(...args)
            }
          return typeof value === 'function' ? (value.bind(target) as unknown) : value
        },
      })
    },
  }
  return {
    store: new ResultStore({
      backend: () => backend,
      serializers: new SerializerRegistry(),
      compressors: new CompressorRegistry(),
    }),
    connects: () => connects,
  }
}

it('a read under which the connection is lost, and therefore closed, goes on on the next one', async () => {
  let calls = 0
  const { store, connects } = storeWith(async (lose) => {
    calls += 1
    if (calls > 1) return
    lose()
    throw new ClosedError('This connection is closed')
  })
  await using _store = store
  expect(await store.getMeta('some-task')).toMatchObject({ status: 'PENDING' })
  expect([calls, connects()]).toEqual([2, 2])
})

it('a read that ends because the store is closed is not tried again', async () => {
  const { store, connects } = storeWith(async () => {
    await store.close()
    throw new ClosedError('This connection is closed')
  })
  await expect(store.getMeta('some-task')).rejects.toMatchObject({ code: 'CT_CLOSED' })
  expect(connects()).toBe(1)
})
