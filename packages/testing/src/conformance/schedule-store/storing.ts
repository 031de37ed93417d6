/** S2, S3: what is kept. */
import assert from 'node:assert/strict'
import type { StoredScheduleEntry } from '@ct/contracts'
import { sleep } from '../waiting.ts'
import { entry, names, type ScheduleStoreSuite } from './scene.ts'

export function scheduleStoringTests({ test }: ScheduleStoreSuite): void {
  test('S2: load returns every entry as it was saved, to anybody', async (scene) => {
    const one = await scene.connect()
    const two = await scene.connect()
    const empty = await one.load()
    assert.deepEqual([empty.entries, empty.broken], [[], []])
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
    'S2, BEAT-60: an entry that cannot be read is reported, does not hide the others, and stays',
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
      const [named] = (await connection.load({ names: ['a', 'broken one'] })).broken
      assert.deepEqual(named, broken[0])
      await connection.save({ put: [entry('a')], remove: ['b'] })
      assert.deepEqual((await (await scene.connect()).load()).broken, broken)
      await connection.save({ remove: ['broken one'] })
      assert.deepEqual((await connection.load()).broken, [])
    },
    'putBroken',
  )

  test('S2: load returns the entries of names that it is given, and no other', async (scene) => {
    const connection = await scene.connect()
    const kept = entry('b', { lastRunAt: 1_763_000_000_000, totalRunCount: 3 })
    const { after } = await connection.save({ put: [entry('a'), kept, entry('__proto__')] })
    const loaded = await connection.load({ names: ['b', 'never there', 'constructor'] })
    assert.deepEqual(loaded, { entries: [kept], broken: [], marker: after })
    assert.deepEqual((await connection.load({ names: [] })).entries, [])
  })

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
}
