import { randomUUID } from 'node:crypto'
import type {
  ConnectOptions,
  ResultBackend,
  ResultBackendConnection,
  ResultSubscription,
} from '@ct/contracts'
import {
  BackendError,
  BackendUnavailableError,
  CompressorRegistry,
  defineResultBackend,
  SerializerRegistry,
} from '@ct/contracts'
import { memoryBackend, memoryHub } from '@ct/broker-memory'
import { afterEach, beforeEach, describe, expect, it, vi } from 'vitest'
import { AsyncResult, ResultStore } from './index.ts'

let name: string
let backend: ResultBackend
let refusals: Error[]
let connects: number
let connections: ResultBackendConnection[]
/** Ids that are subscribed to. */
let subscribed: Set<string>
let reader: ResultStore
let writer: ResultStore

function storeOn(target: ResultBackend): ResultStore {
  return new ResultStore({
    backend: () => target,
    serializers: new SerializerRegistry(),
    compressors: new CompressorRegistry(),
  })
}

const get = (id: string, timeoutMs = 10_000): Promise<unknown> =>
  new AsyncResult(id, { store: reader }).get({ timeoutMs })
const put = (taskId: string, result: unknown): Promise<void> =>
  writer.storeResult({ taskId, state: 'SUCCESS', result })

/** What a promise rejects with; watched from now on, so that nothing is unhandled meanwhile. */
function failureOf(promise: Promise<unknown>): Promise<unknown> {
  return promise.then(
    () => undefined,
    (error: unknown) => error,
  )
}

function recording(one: ResultSubscription): ResultSubscription {
  return {
    add(ids, options) {
      for (const id of ids) subscribed.add(id)
      return one.add(ids, options)
    },
    remove(ids) {
      for (const id of ids) subscribed.delete(id)
      return one.remove(ids)
    },
    close: () => one.close(),
    [Symbol.asyncDispose]: () => one.close(),
  }
}

beforeEach(() => {
  name = `hub-${randomUUID()}`
  const inner = memoryBackend({ name })
  refusals = []
  connects = 0
  connections = []
  subscribed = new Set()
  backend = defineResultBackend({
    name: 'refusing',
    packageName: '@ct/test',
    capabilities: inner.capabilities,
    describe: () => inner.describe(),
    close: () => inner.close(),
    connect: async (options: ConnectOptions) => {
      connects++
      const refusal = refusals.shift()
      if (refusal !== undefined) throw refusal
      const connection = await inner.connect(options)
      connections.push(connection)
      const subscribe = connection.subscribe.bind(connection)
      connection.subscribe = (onResult) => {
        return recording(subscribe(onResult))
      }
      return connection
    },
  })
  reader = storeOn(backend)
  writer = storeOn(memoryBackend({ name }))
})
afterEach(async () => {
  await reader.close()
  await writer.close()
})

describe('waiting for results over a connection that comes and goes', () => {
  it('RES-73, BACK-33, PAIN-14: what was stored while the connection was gone is told after it is back', async () => {
    const waiting = Promise.all([get('a'), get('b')])
    await vi.waitFor(() => expect(connections).toHaveLength(1))
    refusals = [new BackendUnavailableError('away'), new BackendUnavailableError('away')]
    memoryHub(name).cut()
    await put('a', 1)
    await vi.waitFor(() => expect(connections.length).toBeGreaterThanOrEqual(2))
    await put('b', 2)
    expect(await waiting).toEqual([1, 2])
    expect(connects).toBeGreaterThanOrEqual(4)
  })

  it('a refusal ends all waiting, and the next who waits asks again', async () => {
    refusals = [new BackendError('wrong password')]
    await expect(Promise.all([get('a'), get('b')])).rejects.toMatchObject({ code: 'CT_BACKEND' })
    await put('a', 1)
    expect(await get('a')).toBe(1)
  })

  it('a connection is not kept for nobody', async () => {
    await expect(get('a', 5)).rejects.toMatchObject({ code: 'CT_RESULT_TIMEOUT' })
    memoryHub(name).cut()
    await new Promise((resolve) => setTimeout(resolve, 20))
    expect(connects).toBe(1)
    await put('a', 1)
    expect(await get('a')).toBe(1)
    expect(connects).toBe(2)
  })

  it('who waits for an id again in the same turn in which the last one left is told', async () => {
    await put('a', 1)
    expect(await get('a')).toBe(1)
    const again: unknown[] = []
    for (let i = 0; i < 20; i++) again.push(await get('a'))
    expect(again).toEqual(Array.from({ length: 20 }, () => 1))
  })

  it('RES-73: who begins to wait while the last one is being told is told, too', async () => {
    const { promise, resolve } = Promise.withResolvers<unknown>()
    const first = new AsyncResult('a', { store: reader })
    first.onReady(() => {
      new AsyncResult('a', { store: reader }).onReady((second) => resolve(second.result()))
    })
    await put('a', 1)
    expect(await promise).toBe(1)
    await get('b', 20).catch(() => {})
    expect(connections).toHaveLength(1)
  })

  it('a callback that throws is an uncaught exception, and the others hear all the same', async () => {
    const uncaught: unknown[] = []
    const listeners = process.listeners('uncaughtException')
    process.removeAllListeners('uncaughtException')
    process.once('uncaughtException', (error) => uncaught.push(error))
    try {
      new AsyncResult('a', { store: reader }).onReady(() => {
        throw new Error('mine')
      })
      const waiting = get('a')
      await put('a', 1)
      expect(await waiting).toBe(1)
      await vi.waitFor(() => expect(uncaught).toMatchObject([{ message: 'mine' }]))
    } finally {
      process.removeAllListeners('uncaughtException')
      for (const listener of listeners) process.on('uncaughtException', listener)
    }
  })

  it('a store that takes connections and answers nothing else is not asked in a hot loop', async () => {
    const waiting = failureOf(get('a', 300))
    await vi.waitFor(() => expect(connections).toHaveLength(1))
    const inner = memoryBackend({ name: randomUUID() })
    vi.spyOn(backend, 'connect').mockImplementation(async (options) => {
      connects++
      const connection = await inner.connect(options)
      connection.subscribe = () => ({
        add: async () => {
          throw new BackendUnavailableError('LOADING')
        },
        remove: async () => {},
        close: async () => {},
        [Symbol.asyncDispose]: async () => {},
      })
      return connection
    })
    memoryHub(name).cut()
    expect(await waiting).toMatchObject({ code: 'CT_RESULT_TIMEOUT' })
    expect(connects).toBeLessThan(12)
    await inner.close()
  })

  it('what was stored before anybody came is told to who was expected; who is not expected any more is let go', async () => {
    await put('a', 1)
    await get('a')
    // Who asks for what he sent last is expected to do so again.
    reader.willSend('b')
    void get('b').catch(() => undefined)
    reader.willSend('c')
    await vi.waitFor(() => expect(subscribed).toEqual(new Set(['b', 'c'])))
    await put('c', 3)
    expect(await get('c')).toBe(3)
    reader.willSend('d')
    await vi.waitFor(() => expect(subscribed).toEqual(new Set(['b', 'd'])))
    reader.willSend('e')
    await put('b', 2)
    await vi.waitFor(() => expect(subscribed).toEqual(new Set()))
  })

  it('who comes late to an id that others watch is told what is known', async () => {
    const states: string[] = []
    const stop = reader.watch('a', { onMeta: (meta) => states.push(meta.status), onError: () => {} })
    await writer.storeResult({ taskId: 'a', state: 'PROGRESS', result: 1 })
    await vi.waitFor(() => expect(states).toEqual(['PROGRESS']))
    const late: string[] = []
    const stopLate = reader.watch('a', { onMeta: (meta) => late.push(meta.status), onError: () => {} })
    await vi.waitFor(() => expect(late).toEqual(['PROGRESS']))
    stop()
    stopLate()
  })

  it('RES-71: operations are tried again while the store is away', async () => {
    refusals = [new BackendUnavailableError('away'), new BackendUnavailableError('away')]
    await put('a', 1)
    expect((await reader.getMeta('a')).result).toBe(1)
    const connection = connections[0]!
    const getMany = vi
      .spyOn(connection, 'getMany')
      .mockRejectedValueOnce(new BackendUnavailableError('blink'))
    expect((await reader.getMeta('a')).result).toBe(1)
    expect(getMany).toHaveBeenCalledTimes(2)
    getMany.mockRejectedValueOnce(new BackendError('never'))
    await expect(reader.getMeta('a')).rejects.toMatchObject({ code: 'CT_BACKEND' })
  })

  it('RES-71 SET-102…105: resultBackendAlwaysRetry waits between tries as the settings say', async () => {
    const patient = new ResultStore({
      backend: () => backend,
      serializers: new SerializerRegistry(),
      compressors: new CompressorRegistry(),
      settings: {
        resultBackendAlwaysRetry: true,
        resultBackendMaxRetries: 3,
        resultBackendBaseSleepBetweenRetriesMs: 100,
        resultBackendMaxSleepBetweenRetriesMs: 200,
      },
    })
    await patient.getMeta('a')
    const getMany = vi
      .spyOn(connections[0]!, 'getMany')
      .mockImplementation(() => Promise.reject(new BackendUnavailableError('blink')))
    vi.spyOn(Math, 'random').mockReturnValue(0)
    vi.useFakeTimers({ toFake: ['setTimeout', 'clearTimeout'] })
    try {
      const failed = failureOf(patient.getMeta('a'))
      for (const [at, ms] of [100, 200, 200].entries()) {
        await vi.advanceTimersByTimeAsync(ms - 1)
        expect(getMany).toHaveBeenCalledTimes(at + 1)
        await vi.advanceTimersByTimeAsync(1)
        expect(getMany).toHaveBeenCalledTimes(at + 2)
      }
      expect(await failed).toMatchObject({ code: 'CT_BACKEND_UNAVAILABLE' })
    } finally {
      vi.useRealTimers()
    }
    await patient.close()
  })

  it('a document nobody can read is an error for those who wait for it, and for nobody else', async () => {
    const waiting = get('a')
    const other = get('b')
    await vi.waitFor(() => expect(connections).toHaveLength(1))
    const broken = {
      taskId: 'a',
      state: 'SUCCESS',
      ready: true,
      expiresInMs: undefined,
      document: Buffer.from('{'),
    }
    const failed = failureOf(waiting)
    await writer.store([broken])
    expect(await failed).toMatchObject({ code: 'CT_DECODE' })
    await put('b', 2)
    expect(await other).toBe(2)
  })
})
