/** S5: who has read once reads what others change, and nothing that it changed itself. */
import assert from 'node:assert/strict'
import type { ScheduleChanges, ScheduleStoreConnection } from '@ct/contracts'
import { entry, names, type ScheduleStoreSuite } from './scene.ts'

/** All pages from a marker on. */
async function readOn(connection: ScheduleStoreConnection, since: string): Promise<ScheduleChanges> {
  const all = { entries: new Map<string, ScheduleChanges['entries'][number]>(), removed: new Set<string>() }
  let page = await connection.changes(since)
  for (;;) {
    assert.ok(page !== undefined, 'the store knows what changed')
    for (const one of page.entries) all.entries.set(one.name, one)
    for (const name of page.removed) all.removed.add(name)
    if (!page.more) break
    page = await connection.changes(page.marker)
  }
  const entries = [...all.entries.values()].toSorted((a, b) => (a.name < b.name ? -1 : 1))
  return { ...page, entries, removed: [...all.removed].toSorted() }
}

export function changeTests({ test, capabilities }: ScheduleStoreSuite): void {
  test('S5: one’s own writes move the marker on, and leave nothing to be read', async (scene) => {
    const one = await scene.connect()
    let { marker } = await one.load()
    for (const change of [
      { put: [entry('a'), entry('b')] },
      { put: [entry('a', { enabled: false })], remove: ['b'] },
      { runs: [{ name: 'a', lastRunAt: 1000, totalRunCount: 1 }] },
      {},
    ]) {
      const saved = await one.save(change)
      assert.equal(saved.before, marker, 'nobody else wrote')
      const isChange = 'put' in change
      assert.equal(saved.after !== saved.before, isChange, JSON.stringify(change))
      marker = saved.after
      assert.deepEqual(await one.changes(marker), {
        entries: [],
        broken: [],
        removed: [],
        marker,
        more: false,
      })
      assert.equal((await one.load()).marker, marker)
    }
  })

  test('S5: of many entries, those that somebody else put or removed come alone, as they are now', async (scene) => {
    const reader = await scene.connect()
    const writer = await scene.connect()
    await writer.save({ put: Array.from({ length: 200 }, (_, index) => entry(`e${index}`)) })
    const { marker } = await reader.load()
    await writer.save({ put: [entry('e7', { task: 'proj.first' })] })
    await writer.save({ put: [entry('new'), entry('brief')], remove: ['e9'] })
    await writer.save({ put: [entry('e7', { task: 'proj.other', lastRunAt: 5000, totalRunCount: 2 })] })
    await writer.save({ remove: ['brief'], runs: [{ name: 'e11', lastRunAt: 1000, totalRunCount: 1 }] })
    const changes = await readOn(reader, marker)
    assert.deepEqual(changes.entries, [
      entry('e7', { task: 'proj.other', lastRunAt: 5000, totalRunCount: 2 }),
      entry('new'),
    ])
    assert.deepEqual(changes.removed, ['brief', 'e9'])
    // Ours comes after theirs: the marker before it is not what we have read to.
    const saved = await reader.save({ put: [entry('ours')] })
    assert.equal(saved.before, changes.marker)
    await writer.save({ put: [entry('theirs')] })
    const second = await reader.save({ put: [entry('ours too')] })
    assert.notEqual(second.before, saved.after)
    const rest = await readOn(reader, saved.after)
    assert.deepEqual(
      rest.entries.map(({ name }) => name),
      ['ours too', 'theirs'],
    )
    assert.equal(rest.marker, second.after)
  })

  test('S5: however many there are, none is left out; or the store says that it cannot say', async (scene) => {
    const reader = await scene.connect()
    const writer = await scene.connect()
    const { marker } = await reader.load()
    const all = Array.from({ length: 2500 }, (_, index) => `e${String(index).padStart(4, '0')}`)
    for (let at = 0; at < all.length; at += 500)
      await writer.save({ put: all.slice(at, at + 500).map((name) => entry(name)) })
    const first = await reader.changes(marker)
    if (first !== undefined)
      assert.deepEqual(
        (await readOn(reader, marker)).entries.map(({ name }) => name),
        all,
      )
    assert.equal(await reader.changes('of somebody else'), undefined)
  })

  test(
    'S5, BEAT-61: runs are no changes, and write nothing but the run',
    async (scene) => {
      const one = await scene.connect()
      const two = await scene.connect()
      await one.save({ put: [entry('b')] })
      const { marker } = await two.load()
      await one.save({ runs: [{ name: 'b', lastRunAt: 1000, totalRunCount: 1 }] })
      assert.equal((await two.changes(marker))?.marker, marker)
      assert.deepEqual((await two.load()).entries, [entry('b', { lastRunAt: 1000, totalRunCount: 1 })])
    },
    capabilities.changes ? undefined : false,
  )

  test(
    'S5: after the server lost its data, no marker of before is met again',
    async (scene) => {
      const one = await scene.connect()
      const { after } = await one.save({ put: [entry('a')] })
      await scene.harness.loseData!()
      assert.equal(await one.changes(after), undefined)
      await one.save({ put: [entry('b')] })
      assert.equal(await one.changes(after), undefined)
      assert.deepEqual(await names(one), ['b'])
    },
    'loseData',
  )
}
