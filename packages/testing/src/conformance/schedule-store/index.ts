/** Conformance suite of the ScheduleStore contract: one test or more for each duty S1…S6. */
import assert from 'node:assert/strict'
import {
  isCeleryError,
  type ScheduleStore,
  type ScheduleStoreConnection,
  type StoredScheduleEntry,
} from '@ct/contracts'
import { messageTo, queueNamed, text } from '../broker/scene.ts'
import { openHandles } from '../open-handles.ts'
import { makeSceneSuite } from '../scene-suite.ts'
import { eventually, rejection, sleep, within } from '../waiting.ts'
import type {
  ScheduleStoreAbility,
  ScheduleStoreConformanceOptions,
  ScheduleStoreHarness,
} from './harness.ts'

export type {
  ScheduleStoreAbility,
  ScheduleStoreConformanceOptions,
  ScheduleStoreHarness,
} from './harness.ts'

class Scene {
  readonly harness: ScheduleStoreHarness
  readonly #stores: ScheduleStore[] = []

  constructor(harness: ScheduleStoreHarness) {
    this.harness = harness
  }

  async store(): Promise<ScheduleStore> {
    const store = await this.harness.store()
    this.#stores.push(store)
    return store
  }

  async connect(): Promise<ScheduleStoreConnection> {
    return (await this.store()).connect({ onNotice: () => {} })
  }

  async close(): Promise<void> {
    for (const store of this.#stores) await within('close', 10_000, store.close())
    await this.harness.close()
  }
}

function entry(name: string, more: Partial<StoredScheduleEntry> = {}): StoredScheduleEntry {
  return {
    name,
    task: 'proj.add',
    schedule: { type: 'crontab', minute: '*/5', hour: '*', nested: { a: [1, null] } },
    args: '[1, 2.0, "ü"]',
    kwargs: '{"big": 12345678901234567890}',
    options: '{"queue": "q"}',
    enabled: true,
    oneOff: false,
    startAt: undefined,
    expiresAt: undefined,
    description: '',
    origin: 'run-time',
    lastRunAt: undefined,
    totalRunCount: 0,
    ...more,
  }
}

async function names(connection: ScheduleStoreConnection): Promise<string[]> {
  return (await connection.load()).entries.map(({ name }) => name).toSorted()
}

async function code(promise: Promise<unknown>): Promise<string | undefined> {
  const error = await rejection(promise)
  return isCeleryError(error) ? error.code : error.message
}

/** Registers the suite. `makeHarness` is called once per test. */
export function scheduleStoreConformance(
  name: string,
  makeHarness: () => Promise<ScheduleStoreHarness>,
  options: ScheduleStoreConformanceOptions,
): void {
  const { capabilities } = options
  const leadMs = options.leadMs ?? 150
  const patienceMs = options.patienceMs ?? 5_000
  const { runner, test } = makeSceneSuite<Scene, ScheduleStoreAbility>(
    async () => new Scene(await makeHarness()),
    options,
  )
  const election = capabilities.election ? undefined : false

  runner.describe(`${name}: schedule store conformance`, () => {
    test('S1: making a store opens nothing, and declares what it can', async (scene) => {
      const before = openHandles().length
      const store = await scene.store()
      assert.deepEqual({ ...store.capabilities }, { ...capabilities })
      assert.ok(Object.isFrozen(store.capabilities))
      assert.equal(store.kind, 'schedule-store')
      assert.ok(openHandles().length <= before + 2)
    })

    test('S1: close is idempotent, leaves no socket open, and later calls say CT_CLOSED', async (scene) => {
      const store = await scene.store()
      const before = openHandles().length
      const connection = await store.connect({ onNotice: () => {} })
      await Promise.all([connection.close(), store.close(), connection.close()])
      await store.close()
      await eventually('sockets to be gone', patienceMs, () =>
        openHandles().length <= before ? true : undefined,
      )
      assert.equal(await code(connection.load()), 'CT_CLOSED')
    })

    test('S1: connect rejects with CT_ABORTED when its signal has fired', async (scene) => {
      const store = await scene.store()
      assert.equal(
        await code(store.connect({ signal: AbortSignal.abort(), onNotice: () => {} })),
        'CT_ABORTED',
      )
    })

    test(
      'S1: connect rejects with a retryable error of ours when the server is not there',
      async (scene) => {
        const store = await scene.harness.unreachable!()
        const error = await rejection(within('connect', 20_000, store.connect({ onNotice: () => {} })))
        assert.ok(isCeleryError(error) && error.retryable, error.message)
        await store.close()
      },
      'unreachable',
    )

    test('S2: load returns every entry as it was saved, to anybody', async (scene) => {
      const one = await scene.connect()
      const two = await scene.connect()
      assert.deepEqual(await one.load(), { entries: [], broken: [] })
      const entries = [
        entry('plain'),
        entry('ünï \u{1f600} %_*', { enabled: false, lastRunAt: 1_763_000_000_123, totalRunCount: 7 }),
        entry('once', { oneOff: true, startAt: 1_763_000_000_000, expiresAt: 1_863_000_000_000 }),
        entry('ours', { origin: 'configuration', description: 'ü "quoted"' }),
        entry('__proto__'),
        entry('x'.repeat(150)),
      ]
      await one.save({ put: entries })
      const loaded = await two.load()
      const sorted = (list: readonly StoredScheduleEntry[]): StoredScheduleEntry[] =>
        list.map((each) => ({ ...each })).toSorted((a, b) => (a.name < b.name ? -1 : 1))
      assert.deepEqual(sorted(loaded.entries), sorted(entries))
      assert.deepEqual(loaded.broken, [])
    })

    test(
      'S2: an entry that cannot be read is reported and does not hide the others',
      async (scene) => {
        const connection = await scene.connect()
        await connection.save({ put: [entry('a'), entry('b')] })
        await scene.harness.putBroken!('broken one')
        const { entries, broken } = await connection.load()
        assert.deepEqual(entries.map((each) => each.name).toSorted(), ['a', 'b'])
        assert.deepEqual(
          broken.map((each) => each.name),
          ['broken one'],
        )
        assert.ok(broken[0]!.reason.length > 0)
        await connection.save({ remove: ['broken one'] })
        assert.deepEqual((await connection.load()).broken, [])
      },
      'putBroken',
    )

    test('S3: save replaces and removes in one step; removing what is not there is no error', async (scene) => {
      const one = await scene.connect()
      const two = await scene.connect()
      await one.save({ put: [entry('a'), entry('b'), entry('c')] })
      await one.save({ put: [entry('b', { task: 'proj.other' }), entry('d')], remove: ['a', 'never there'] })
      assert.deepEqual(await names(two), ['b', 'c', 'd'])
      const b = (await two.load()).entries.find((each) => each.name === 'b')
      assert.equal(b?.task, 'proj.other')
      await one.save({})
      assert.deepEqual(await names(two), ['b', 'c', 'd'])
    })

    test('S3: what is declared anew keeps its run, unless it brings one; runs change nothing else', async (scene) => {
      const one = await scene.connect()
      const two = await scene.connect()
      await one.save({ put: [entry('a', { lastRunAt: 1_763_000_000_000, totalRunCount: 3 }), entry('b')] })
      await one.save({ put: [entry('a', { task: 'proj.other' })] })
      assert.deepEqual((await two.load()).entries[0], {
        ...entry('a', { task: 'proj.other', lastRunAt: 1_763_000_000_000, totalRunCount: 3 }),
      })
      // Others changed it meanwhile: they are not overwritten, and what they removed does not come back.
      await two.save({ put: [entry('a', { enabled: false })], remove: ['b'] })
      const run = { lastRunAt: 1_763_000_060_000, totalRunCount: 4 }
      await one.save({
        runs: [
          { name: 'a', ...run },
          { name: 'b', ...run },
        ],
      })
      assert.deepEqual((await two.load()).entries, [entry('a', { enabled: false, ...run })])
      await one.save({ put: [entry('a', { lastRunAt: 1_763_000_000_500, totalRunCount: 0 })] })
      const [a] = (await two.load()).entries
      assert.deepEqual([a?.lastRunAt, a?.totalRunCount], [1_763_000_000_500, 0])
      // One that was removed begins anew.
      await one.save({ remove: ['a'] })
      await one.save({ put: [entry('a')] })
      assert.deepEqual((await two.load()).entries, [entry('a')])
    })

    test('S3: readers see a save whole or not at all', async (scene) => {
      const writer = await scene.connect()
      const reader = await scene.connect()
      const round = (count: number): StoredScheduleEntry[] =>
        Array.from({ length: 20 }, (_, index) =>
          entry(`e${index}`, { lastRunAt: 1000 + count, totalRunCount: count }),
        )
      await writer.save({ put: round(0) })
      const progress = { writing: true }
      const writes = (async () => {
        for (let count = 1; count <= 20; count++) await writer.save({ put: round(count) })
        progress.writing = false
      })()
      while (progress.writing) {
        const counts = new Set((await reader.load()).entries.map((each) => each.totalRunCount))
        assert.equal(counts.size, 1, `torn: ${[...counts].join(', ')}`)
        // A store that answers from memory would not let the writer's disk have its turn.
        await sleep(0)
      }
      await writes
    })

    test('S3: what was saved outlives the connection that saved it', async (scene) => {
      const one = await scene.connect()
      await one.save({ put: [entry('kept')] })
      await one.close()
      assert.deepEqual(await names(await scene.connect()), ['kept'])
    })

    test(
      'S4: one leads at a time; calling again renews; resigning lets the next one lead, with a higher token',
      async (scene) => {
        const one = await scene.connect()
        const two = await scene.connect()
        const first = await one.lead({ holder: 'one', ttlMs: 60_000 })
        assert.ok(first !== undefined)
        assert.ok(Math.abs(first.expiresAt - Date.now() - 60_000) < 5_000)
        assert.equal(await two.lead({ holder: 'two', ttlMs: 60_000 }), undefined)
        assert.equal((await one.lead({ holder: 'one', ttlMs: 60_000 }))?.token, first.token)
        await two.resign('two')
        assert.equal(await two.lead({ holder: 'two', ttlMs: 60_000 }), undefined)
        await one.resign('one')
        const second = await two.lead({ holder: 'two', ttlMs: 60_000 })
        assert.ok(second !== undefined && second.token > first.token)
        assert.equal(await one.lead({ holder: 'one', ttlMs: 60_000 }), undefined)
      },
      election,
    )

    test(
      'S4: leadership ends by itself',
      async (scene) => {
        const one = await scene.connect()
        const two = await scene.connect()
        const first = await one.lead({ holder: 'one', ttlMs: leadMs })
        assert.ok(first !== undefined)
        assert.equal(await two.lead({ holder: 'two', ttlMs: leadMs }), undefined)
        await sleep(leadMs)
        const second = await eventually('the next leader', patienceMs, () =>
          two.lead({ holder: 'two', ttlMs: 60_000 }),
        )
        assert.ok(second.token > first.token)
      },
      election,
    )

    test(
      'S4: of many candidates one is elected',
      async (scene) => {
        const connections = await Promise.all(Array.from({ length: 6 }, () => scene.connect()))
        const elected = await Promise.all(
          connections.map((connection, index) => connection.lead({ holder: `h${index}`, ttlMs: 60_000 })),
        )
        assert.equal(elected.filter((each) => each !== undefined).length, 1)
      },
      election,
    )

    test(
      'S4: a save with an older token is refused with CT_LEASE_LOST and changes nothing',
      async (scene) => {
        const one = await scene.connect()
        const two = await scene.connect()
        const first = (await one.lead({ holder: 'one', ttlMs: 60_000 }))!
        await one.save({ put: [entry('a')], token: first.token })
        await one.resign('one')
        const second = (await two.lead({ holder: 'two', ttlMs: 60_000 }))!
        assert.equal(
          await code(one.save({ put: [entry('late')], remove: ['a'], token: first.token })),
          'CT_LEASE_LOST',
        )
        assert.deepEqual(await names(two), ['a'])
        await two.save({ put: [entry('b')], token: second.token })
        assert.deepEqual(await names(one), ['a', 'b'])
      },
      election,
    )

    test(
      'S5: changeMarker differs after anybody changed an entry, and stays while nobody does',
      async (scene) => {
        const one = await scene.connect()
        const two = await scene.connect()
        const markers = [await two.changeMarker()]
        await one.save({ put: [entry('a')] })
        markers.push(await two.changeMarker())
        assert.equal(await two.changeMarker(), markers[1])
        await one.save({ put: [entry('a', { enabled: false })] })
        markers.push(await two.changeMarker())
        await one.save({ remove: ['a'] })
        markers.push(await two.changeMarker())
        assert.equal(new Set(markers).size, 4, markers.join(', '))
        await one.save({ put: [entry('b')] })
        const before = await two.changeMarker()
        await one.save({ runs: [{ name: 'b', lastRunAt: 1000, totalRunCount: 1 }] })
        assert.equal(await two.changeMarker(), before, 'a run is no change')
        assert.ok(markers.every((marker) => typeof marker === 'string'))
      },
      capabilities.changes ? undefined : false,
    )

    test(
      'S5: without the capability changeMarker is undefined',
      async (scene) => {
        assert.equal(await (await scene.connect()).changeMarker(), undefined)
      },
      capabilities.changes ? false : undefined,
    )

    test(
      'S6: fire publishes and saves in one step, or, with an older token, does neither',
      async (scene) => {
        const broker = await scene.harness.broker!()
        const store = await scene.store()
        assert.equal(store.firesWith(broker), true)
        const connection = await store.connect({ onNotice: () => {} })
        const wire = await broker.connect({ onNotice: () => {} })
        const queue = `fired-${crypto.randomUUID()}`
        await wire.declare([queueNamed(queue)])
        const old = capabilities.election
          ? await connection.lead({ holder: 'one', ttlMs: 60_000 })
          : undefined
        const fire = (name: string, lastRunAt: number, totalRunCount: number): Promise<boolean> =>
          connection.fire({
            run: { name, lastRunAt, totalRunCount },
            message: messageTo(queue, `${name} ${totalRunCount}`),
            token: old?.token,
          })
        await connection.save({ put: [entry('e')] })
        assert.equal(await fire('e', 1_763_000_000_000, 1), true)
        // As when the answer was lost; and after somebody removed it.
        assert.equal(await fire('e', 1_763_000_000_000, 1), false)
        assert.equal(await fire('gone', 1_763_000_000_000, 1), false)
        const [after] = (await connection.load()).entries
        assert.deepEqual([after?.lastRunAt, after?.totalRunCount], [1_763_000_000_000, 1])
        if (old !== undefined) {
          await connection.resign('one')
          await connection.lead({ holder: 'two', ttlMs: 60_000 })
          assert.equal(await code(fire('e', 1_763_000_060_000, 2)), 'CT_LEASE_LOST')
          assert.equal((await connection.load()).entries[0]?.totalRunCount, 1)
        }
        const got: string[] = []
        const consumer = await wire.openConsumer({
          credit: 10,
          onDelivery: (delivery) => got.push(text(delivery)),
        })
        await consumer.subscribe([{ queue: queueNamed(queue) }])
        await eventually('the fired message', patienceMs, () => (got.length > 0 ? true : undefined))
        await sleep(50)
        assert.deepEqual(got, ['e 1'])
        await broker.close()
      },
      'broker',
    )

    test('S6: fire of a store that fires with nobody rejects with CT_UNSUPPORTED', async (scene) => {
      const connection = await scene.connect()
      const run = { name: 'e', lastRunAt: 1000, totalRunCount: 1 }
      await connection.save({ put: [entry('e')] })
      const firing = { run, message: messageTo('q', 'x'), token: undefined }
      assert.equal(await code(connection.fire(firing)), 'CT_UNSUPPORTED')
      assert.equal((await connection.load()).entries[0]?.totalRunCount, 0)
    })
  })
}
