/** The result backend on a real server, by the contract's duties and Celery's layout. */
import { setTimeout as sleep } from 'node:timers/promises'
import {
  isCeleryError,
  type ResultBackendConnection,
  type ResultWrite,
  type StoredResult,
} from '@ct/contracts'
import { describe, expect, it } from 'vitest'
import { redisScene } from '../../test/redis-scene.ts'
import type { RedisBackendOptions } from '../options/backend-options.ts'
import { redisBackend } from './backend.ts'

const { server, opened } = await redisScene()

async function connect(options: RedisBackendOptions = {}): Promise<ResultBackendConnection> {
  const backend = redisBackend({ url: server.url, ...options })
  opened.push(backend)
  return backend.connect({ onNotice: () => {} })
}

function write(
  taskId: string,
  state: string,
  more: Partial<ResultWrite> & { text?: string } = {},
): ResultWrite {
  const { text = `{"status": "${state}", "result": null, "task_id": "${taskId}"}`, ...rest } = more
  return {
    taskId,
    state,
    ready: ['SUCCESS', 'FAILURE', 'REVOKED'].includes(state),
    document: Buffer.from(text),
    expiresInMs: 60_000,
    ...rest,
  }
}

async function until(what: () => boolean | Promise<boolean>): Promise<void> {
  const end = Date.now() + 5000
  while (!(await what())) {
    if (Date.now() > end) throw new Error('waited 5 s in vain')
    await sleep(2)
  }
}

const textOf = (result: StoredResult | undefined): string | undefined =>
  result?.document && String(Buffer.from(result.document))
const stateOf = (result: StoredResult | undefined): unknown => JSON.parse(textOf(result) ?? '{}').status

describe('results', () => {
  it('R4, R6, R9, BACK-31: stored under Celery’s key with its expiry, read back byte for byte and in order', async () => {
    const store = await connect({ globalKeyprefix: 'pre' })
    const bytes = Buffer.from([0x82, 0xa6, 0, 255, 13, 10])
    await Promise.all([
      store.store([write('a', 'STARTED'), write('odd id/…', 'SUCCESS', { document: bytes })]),
      store.store([write('kept', 'SUCCESS', { expiresInMs: undefined })]),
    ])
    const found = await store.getMany(['odd id/…', 'missing', 'a'])
    expect(Buffer.from(found[0]?.document ?? []).equals(bytes)).toBe(true)
    expect([found[1], stateOf(found[2])]).toEqual([undefined, 'STARTED'])
    expect(await server.command('TTL', 'pre_celery-task-meta-a')).toBe(60)
    expect(await server.command('TTL', 'pre_celery-task-meta-kept')).toBe(-1)
    await store.store([write('short', 'SUCCESS', { expiresInMs: 30 })])
    await until(async () => (await store.getMany(['short']))[0] === undefined)
  })

  it('R5: a SUCCESS is never overwritten, everything else is', async () => {
    const store = await connect()
    for (const state of [
      'STARTED',
      'RETRY',
      'FAILURE',
      'REVOKED',
      'STARTED',
      'SUCCESS',
      'FAILURE',
      'STARTED',
    ])
      await store.store([write('a', state)])
    expect(stateOf((await store.getMany(['a']))[0])).toBe('SUCCESS')
    await store.store([write('a', 'SUCCESS', { text: '{"status": "SUCCESS", "result": 2}' })])
    expect(textOf((await store.getMany(['a']))[0])).not.toContain('2')
    // In one turn, the order counts.
    await Promise.all(['STARTED', 'SUCCESS', 'FAILURE'].map((state) => store.store([write('b', state)])))
    expect(stateOf((await store.getMany(['b']))[0])).toBe('SUCCESS')
  })

  it('R5: in forms that the script cannot read too', async () => {
    const store = await connect()
    const yaml = (state: string): Partial<ResultWrite> & { text: string } => ({
      text: `result: null\nstatus: ${state}\n`,
    })
    await store.store([write('a', 'RETRY', yaml('RETRY'))])
    await store.store([write('a', 'SUCCESS', yaml('SUCCESS')), write('b', 'STARTED')])
    await store.store([write('a', 'FAILURE', yaml('FAILURE')), write('b', 'SUCCESS')])
    expect(textOf((await store.getMany(['a']))[0])).toContain('SUCCESS')
    expect(stateOf((await store.getMany(['b']))[0])).toBe('SUCCESS')
    await server.command('RPUSH', 'celery-task-meta-c', 'not a string')
    await store.store([write('c', 'SUCCESS')])
    expect(stateOf((await store.getMany(['c']))[0])).toBe('SUCCESS')
  })

  it('R7: forget', async () => {
    const store = await connect()
    await store.store([write('a', 'SUCCESS')])
    await store.forget(['a', 'missing'])
    expect(await store.getMany(['a'])).toEqual([undefined])
    await store.forget([])
  })

  it('R10: groups, stored without being published (D57-6)', async () => {
    const store = await connect()
    await store.storeGroup('g', Buffer.from('{"result": []}'), { expiresInMs: 60_000 })
    expect(String(await store.getGroup('g'))).toBe('{"result": []}')
    expect(await server.command('TTL', 'celery-taskset-meta-g')).toBe(60)
    await store.forgetGroup('g')
    expect(await store.getGroup('g')).toBeUndefined()
  })

  it('R8, BACK-32, BACK-39: one connection serves any number of waits, nothing is missed, nothing dropped is told', async () => {
    const [store, other] = [await connect(), await connect()]
    const told = new Map<string, unknown[]>()
    const ids = Array.from({ length: 2500 }, (_, index) => `t${index}`)
    await other.store([write('t0', 'SUCCESS'), write('t1', 'STARTED')])
    const subscription = store.subscribe((result) => {
      told.set(result.taskId, [...(told.get(result.taskId) ?? []), stateOf(result)])
    })
    const adding = subscription.add(ids)
    // While it is being added, too.
    await other.store(ids.slice(0, 2000).map((id) => write(id, 'RETRY')))
    await adding
    await other.store(ids.map((id) => write(id, 'SUCCESS')))
    await other.store(ids.map((id) => write(id, 'FAILURE')))
    await until(() => ids.every((id) => told.get(id)?.at(-1) === 'SUCCESS'))
    expect(told.get('t0')).toEqual(['SUCCESS'])
    expect([...told.values()].flat()).not.toContain('FAILURE')
    const clients = String(await server.command('CLIENT', 'LIST'))
    expect(clients.split('\n').filter((line) => line.includes('name=ct:results'))).toHaveLength(1)
    await subscription.close()
    await until(
      async () =>
        Number(((await server.command('PUBSUB', 'NUMSUB', 'celery-task-meta-t9')) as unknown[])[1]) === 0,
    )
  })

  it('R8: adding counts; an id added twice is told until it is removed twice', async () => {
    const store = await connect()
    const told: string[] = []
    const subscription = store.subscribe((result) =>
      told.push(`1 ${result.taskId} ${String(stateOf(result))}`),
    )
    const second = store.subscribe((result) => told.push(`2 ${result.taskId} ${String(stateOf(result))}`))
    await subscription.add(['a'])
    await subscription.add(['a'])
    await second.add(['a'])
    await subscription.remove(['a'])
    await second.close()
    await store.store([write('a', 'STARTED')])
    await until(() => told.length > 0)
    await subscription.remove(['a'])
    await subscription.remove(['a'])
    await store.store([write('a', 'SUCCESS')])
    await sleep(50)
    expect(told).toEqual(['1 a STARTED'])
    await subscription.add(['a'])
    expect(told).toEqual(['1 a STARTED', '1 a SUCCESS'])
  })

  it('R2, R3, R12: errors are ours, close is final, a loss is told once', async () => {
    const backend = redisBackend({ url: server.url, clientName: 'loser' })
    const notices: string[] = []
    const store = await backend.connect({ onNotice: ({ kind }) => notices.push(kind) })
    await store.subscribe(() => {}).add(['a'])
    for (const line of String(await server.command('CLIENT', 'LIST')).split('\n')) {
      if (line.includes('name=loser:'))
        await server.command('CLIENT', 'KILL', 'ID', /^id=(\d+)/.exec(line)?.[1] ?? '')
    }
    await until(() => notices.length > 0)
    const lost: unknown = await store.store([write('a', 'SUCCESS')]).catch((error: unknown) => error)
    expect(isCeleryError(lost) && [lost.code, lost.retryable]).toEqual(['CT_BACKEND_UNAVAILABLE', true])
    await store.close()
    await backend.close()
    await backend.close()
    const closed: unknown = await store.getMany(['a']).catch((error: unknown) => error)
    expect(isCeleryError(closed) && closed.code).toBe('CT_CLOSED')
    expect(notices).toEqual(['connection-lost'])
    const nowhere: unknown = await redisBackend({ url: 'redis://127.0.0.1:1' })
      .connect({ onNotice: () => {} })
      .catch((error: unknown) => error)
    expect(isCeleryError(nowhere) && [nowhere.code, nowhere.retryable]).toEqual([
      'CT_BACKEND_UNAVAILABLE',
      true,
    ])
  })
})

describe.each([true, false])('chords, resultChordOrdered: %s', (resultChordOrdered) => {
  const claimMs = 200
  async function chord(size: number) {
    const store = await connect({ resultChordOrdered })
    await store.chord!.begin({ groupId: 'g', size, expiresInMs: 60_000 })
    const record = (taskId: string, groupIndex: number | undefined, value: unknown = taskId) => {
      const part = Buffer.from(JSON.stringify([1, taskId, 'SUCCESS', value]))
      return store.chord!.record({ groupId: 'g', taskId, groupIndex, part, expiresInMs: 60_000, claimMs })
    }
    const key = (suffix: string): string => `celery-taskset-meta-g.${suffix}`
    return { chord: store.chord!, record, key, store }
  }

  it('BACK-34, D57-1, D57-2, BACK-15, PAIN-16: parts count once, the first value wins, the last one claims', async () => {
    const { chord: it, record, key, store } = await chord(3)
    await store.storeGroup('g', Buffer.from('x'), { expiresInMs: 1000 })
    expect(await record('c', 2)).toEqual({ state: 'open', count: 1, total: 3 })
    expect(await record('a', 0)).toEqual({ state: 'open', count: 2, total: 3 })
    expect(await record('a', 0, 'another value')).toEqual({ state: 'open', count: 2, total: 3 })
    expect(await record('b', 1)).toMatchObject({ state: 'complete', count: 3, total: 3 })
    const ids = (await it.parts('g')).map((part) => (JSON.parse(String(part)) as unknown[])[3])
    expect(ids).toEqual(resultChordOrdered ? ['a', 'b', 'c'] : ['c', 'a', 'b'])
    expect(await server.command('TYPE', key('j'))).toBe(resultChordOrdered ? 'zset' : 'list')
    expect(((await server.command('SMEMBERS', key('d'))) as string[]).toSorted()).toEqual([
      'a:0',
      'b:1',
      'c:2',
    ])
    // D57-7: the group document lives as long as the chord.
    for (const suffix of ['.j', '.s', '.d', ''])
      expect(Number(await server.command('TTL', `celery-taskset-meta-g${suffix}`))).toBeGreaterThan(50)
  })

  it('PAIN-70: parts that a peer with the other setting has begun to file are gone on with as they are', async () => {
    const { chord: it, record, key } = await chord(2)
    const theirs = JSON.stringify([1, 'a', 'SUCCESS', 'a'])
    await (resultChordOrdered
      ? server.command('RPUSH', key('j'), theirs)
      : server.command('ZADD', key('j'), '0', theirs))
    expect(await it.watch?.look('g')).toMatchObject({ count: 1, total: 2 })
    expect(await record('b', 1)).toMatchObject({ state: 'complete', count: 2, total: 2 })
    const ids = (await it.parts('g')).map((part) => (JSON.parse(String(part)) as unknown[])[3])
    expect(ids).toEqual(['a', 'b'])
    expect(await server.command('TYPE', key('j'))).toBe(resultChordOrdered ? 'list' : 'zset')
  })

  it('D57-3: one claim at a time, taken again when it ran out, kept by its owner', async () => {
    const { chord: it, record } = await chord(1)
    const first = await record('a', undefined)
    const token = first.state === 'complete' ? first.token : ''
    expect(await record('a', undefined)).toMatchObject({ state: 'claimed' })
    expect(await it.extendClaim({ groupId: 'g', token: 'other', claimMs })).toBe(false)
    expect(await it.extendClaim({ groupId: 'g', token, claimMs: 40 })).toBe(true)
    await sleep(60)
    const second = await record('a', undefined)
    expect(second.state).toBe('complete')
    expect(await it.extendClaim({ groupId: 'g', token, claimMs })).toBe(false)
    await it.finish({ groupId: 'g', token, doneMs: 1000 })
    expect((await it.parts('g')).length).toBe(1)
    const owner = second.state === 'complete' ? second.token : ''
    await sleep(claimMs + 20)
    expect(await it.extendClaim({ groupId: 'g', token: owner, claimMs })).toBe(true)
  })

  it('D57-4, D57-6: done means done, until it is begun again', async () => {
    const { chord: it, record, key } = await chord(1)
    const first = await record('a', 0)
    await it.finish({ groupId: 'g', token: first.state === 'complete' ? first.token : '', doneMs: 60_000 })
    expect(await server.command('KEYS', '*g.*')).toEqual([key('c')])
    expect(await server.command('GET', key('c'))).toBe('done')
    expect(await record('a', 0)).toEqual({ state: 'closed' })
    expect(await it.parts('g')).toEqual([])
    await it.begin({ groupId: 'g', size: 1, expiresInMs: undefined })
    expect((await record('a', 0)).state).toBe('complete')
  })

  it('D57-5: after a failure it can neither complete nor fail again', async () => {
    const { chord: it, record } = await chord(1)
    expect((await record('a', 0)).state).toBe('complete')
    await it.fail('g')
    await it.fail('g')
    expect(await record('a', 0)).toEqual({ state: 'closed' })
    await sleep(claimMs + 20)
    expect((await record('a', 0)).state).not.toBe('complete')
  })

  it('BACK-36: parts may come before the size, and members may be added', async () => {
    const store = await connect({ resultChordOrdered })
    const it = store.chord!
    const part = { groupId: 'g', part: Buffer.from('[]'), expiresInMs: undefined, claimMs }
    expect(await it.record({ ...part, taskId: 'a', groupIndex: 0, part: Buffer.from('[1]') })).toEqual({
      state: 'open',
      count: 1,
      total: undefined,
    })
    await it.begin({ groupId: 'g', size: 2, expiresInMs: undefined })
    await it.addMember('g')
    expect(await it.record({ ...part, taskId: 'b', groupIndex: 1, part: Buffer.from('[2]') })).toEqual({
      state: 'open',
      count: 2,
      total: 3,
    })
    expect((await it.record({ ...part, taskId: 'c', groupIndex: 2, part: Buffer.from('[3]') })).state).toBe(
      'complete',
    )
  })
})
