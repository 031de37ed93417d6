/** R11: counting the members of a chord. */
import assert from 'node:assert/strict'
import type { ChordPart, ChordProgress, NativeChord } from '@ct/contracts'
import { sleep } from '../waiting.ts'
import type { ResultBackendScene, ResultBackendSuite } from './scene.ts'

const expiresInMs = 60_000

/** Claims of Redis count whole seconds, so tests that wait for one to run out use this. */
const claimMs = 1_000

function part(groupId: string, index: number, more: Partial<ChordPart> = {}): ChordPart {
  const encoded = new TextEncoder().encode(`[1, "t${index}", "SUCCESS", ${index * 10}]`)
  return {
    groupId,
    taskId: `t${index}`,
    groupIndex: index,
    part: encoded,
    expiresInMs,
    claimMs: 5_000,
    ...more,
  }
}

async function values(chord: NativeChord, groupId: string): Promise<string[]> {
  return (await chord.parts(groupId)).map((one) => new TextDecoder().decode(one))
}

function tokenOf(progress: ChordProgress): string {
  assert.equal(progress.state, 'complete')
  return progress.state === 'complete' ? progress.token : ''
}

export function chordTests({ test, options }: ResultBackendSuite): void {
  const native = options.capabilities.chord === 'native' ? undefined : false
  const counter = options.capabilities.chord === 'counter' ? undefined : false

  async function chords(
    scene: ResultBackendScene,
  ): Promise<{ one: NativeChord; two: NativeChord; groupId: string }> {
    const one = (await scene.connect()).connection.chord
    const two = (await scene.connect()).connection.chord
    assert.ok(one !== undefined && two !== undefined)
    return { one, two, groupId: scene.id('group') }
  }

  test('R11: chord and chordCounter are there exactly when the capability says so', async (scene) => {
    const { connection } = await scene.connect()
    assert.equal(connection.chord !== undefined, native === undefined)
    assert.equal(connection.chordCounter !== undefined, counter === undefined)
  })

  test(
    'R11: the last part completes the chord once, parts ordered by their index',
    async (scene) => {
      const { one, two, groupId } = await chords(scene)
      await one.begin({ groupId, size: 3, expiresInMs })
      assert.deepEqual(await two.record(part(groupId, 2)), { state: 'open', count: 1, total: 3 })
      assert.deepEqual(await one.record(part(groupId, 0)), { state: 'open', count: 2, total: 3 })
      const last = await two.record(part(groupId, 1))
      assert.deepEqual({ ...last, token: '' }, { state: 'complete', count: 3, total: 3, token: '' })
      assert.deepEqual(
        await values(two, groupId),
        [0, 1, 2].map((index) => `[1, "t${index}", "SUCCESS", ${index * 10}]`),
      )
    },
    native,
  )

  test(
    'R11: a part that is recorded again changes nothing: the first result counts',
    async (scene) => {
      const { one, two, groupId } = await chords(scene)
      await one.begin({ groupId, size: 2, expiresInMs })
      await one.record(part(groupId, 0))
      const other = new TextEncoder().encode('[1, "t0", "SUCCESS", 999]')
      assert.deepEqual(await two.record(part(groupId, 0, { part: other })), {
        state: 'open',
        count: 1,
        total: 2,
      })
      tokenOf(await two.record(part(groupId, 1)))
      assert.deepEqual(await values(one, groupId), ['[1, "t0", "SUCCESS", 0]', '[1, "t1", "SUCCESS", 10]'])
    },
    native,
  )

  test(
    'R11: while the claim is held, a redelivered part does not complete the chord again; when it ran out, it does',
    async (scene) => {
      const { one, two, groupId } = await chords(scene)
      await one.begin({ groupId, size: 2, expiresInMs })
      await one.record(part(groupId, 0, { claimMs }))
      const first = tokenOf(await one.record(part(groupId, 1, { claimMs })))
      assert.notEqual((await two.record(part(groupId, 1, { claimMs }))).state, 'complete')
      await sleep(claimMs + 150)
      const second = tokenOf(await two.record(part(groupId, 1, { claimMs: 5_000 })))
      assert.notEqual(second, first)
      assert.equal(await one.extendClaim({ groupId, token: first, claimMs }), false)
      assert.equal(await two.extendClaim({ groupId, token: second, claimMs }), true)
    },
    native,
  )

  test(
    'R11: a record whose answer was lost can be made again under the same token; under another it tells how long the claim has',
    async (scene) => {
      const { one, two, groupId } = await chords(scene)
      await one.begin({ groupId, size: 1, expiresInMs })
      const token = '0123456789abcdef0123456789abcdef'
      assert.equal(tokenOf(await one.record(part(groupId, 0, { token }))), token)
      assert.equal(tokenOf(await two.record(part(groupId, 0, { token }))), token)
      const other = await two.record(part(groupId, 0))
      assert.ok(other.state === 'claimed' && other.retryInMs > 0 && other.retryInMs <= 5_000)
    },
    native,
  )

  test(
    'R11: a claim that ran out can be taken again by its owner while nobody else has it',
    async (scene) => {
      const { one, groupId } = await chords(scene)
      await one.begin({ groupId, size: 1, expiresInMs })
      const token = tokenOf(await one.record(part(groupId, 0, { claimMs })))
      await sleep(claimMs + 150)
      assert.equal(await one.extendClaim({ groupId, token, claimMs: 5_000 }), true)
      assert.notEqual((await one.record(part(groupId, 0))).state, 'complete')
    },
    native,
  )

  test(
    'R11: finish removes the parts and closes the chord to late ones, but only with the claim',
    async (scene) => {
      const { one, two, groupId } = await chords(scene)
      await one.begin({ groupId, size: 1, expiresInMs })
      const token = tokenOf(await one.record(part(groupId, 0)))
      await two.finish({ groupId, token: 'somebody else', doneMs: 60_000 })
      assert.equal((await values(one, groupId)).length, 1)
      await one.finish({ groupId, token, doneMs: 60_000 })
      assert.deepEqual(await values(one, groupId), [])
      assert.deepEqual(await two.record(part(groupId, 0)), { state: 'closed' })
      assert.equal(await one.extendClaim({ groupId, token, claimMs }), false)
    },
    native,
  )

  test(
    'R11: a note given with the size is kept until the chord is done or has failed, where chords are watched',
    async (scene) => {
      const { one, two, groupId } = await chords(scene)
      if (one.watch === undefined || two.watch === undefined) return
      const note = new TextEncoder().encode('{"a": "note"}')
      const other = scene.id('group')
      await one.begin({ groupId, size: 1, expiresInMs, note })
      await one.begin({ groupId: other, size: 1, expiresInMs, note })
      assert.deepEqual(Uint8Array.from((await two.watch.recall()).get(groupId)!), note)
      const token = tokenOf(await one.record(part(groupId, 0)))
      await one.finish({ groupId, token, doneMs: 60_000 })
      await two.fail(other)
      const left = await two.watch.recall()
      assert.equal(left.has(groupId) || left.has(other), false)
    },
    native,
  )

  test(
    'R11: a chord that failed never completes, and can be begun anew',
    async (scene) => {
      const { one, two, groupId } = await chords(scene)
      await one.begin({ groupId, size: 2, expiresInMs })
      await one.record(part(groupId, 0))
      await two.fail(groupId)
      await two.fail(groupId)
      assert.notEqual((await one.record(part(groupId, 1))).state, 'complete')
      const next = scene.id('group')
      await one.begin({ groupId: next, size: 1, expiresInMs })
      const token = tokenOf(await one.record(part(next, 0)))
      await one.finish({ groupId: next, token, doneMs: 60_000 })
      await one.begin({ groupId: next, size: 1, expiresInMs })
      tokenOf(await two.record(part(next, 0)))
    },
    native,
  )

  test(
    'R11: parts may come before begin, members may be added, and parts without an index count',
    async (scene) => {
      const { one, two, groupId } = await chords(scene)
      const early = await two.record(part(groupId, 0, { groupIndex: undefined }))
      assert.deepEqual(early, { state: 'open', count: 1, total: undefined })
      await one.begin({ groupId, size: 2, expiresInMs })
      await two.addMember(groupId, 3)
      await two.addMember(groupId)
      // Some of them could not be sent.
      await two.addMember(groupId, -3)
      assert.deepEqual(await one.record(part(groupId, 1, { groupIndex: undefined })), {
        state: 'open',
        count: 2,
        total: 3,
      })
      tokenOf(await one.record(part(groupId, 2)))
      assert.equal((await values(one, groupId)).length, 3)
    },
    native,
  )

  test(
    'R11: of many who record at the same time, one completes the chord',
    async (scene) => {
      const { one, two, groupId } = await chords(scene)
      const size = 40
      await one.begin({ groupId, size, expiresInMs })
      const all = Array.from({ length: size }, (_, index) =>
        (index % 2 === 0 ? one : two).record(part(groupId, index)),
      )
      const again = Array.from({ length: size }, (_, index) =>
        (index % 2 === 1 ? one : two).record(part(groupId, index)),
      )
      const states = (await Promise.all([...all, ...again])).map((progress) => progress.state)
      assert.equal(states.filter((state) => state === 'complete').length, 1)
      assert.equal((await values(one, groupId)).length, size)
    },
    native,
  )

  test(
    'R11: the counter counts from one, across processes, and can be removed',
    async (scene) => {
      const one = (await scene.connect()).connection.chordCounter!
      const two = (await scene.connect()).connection.chordCounter!
      const groupId = scene.id('group')
      await one.begin(groupId, { expiresInMs })
      assert.equal(await one.increment(groupId, { expiresInMs }), 1)
      assert.equal(await two.increment(groupId, { expiresInMs }), 2)
      const counts = await Promise.all(
        Array.from({ length: 20 }, (_, index) =>
          (index % 2 === 0 ? one : two).increment(groupId, { expiresInMs }),
        ),
      )
      assert.deepEqual(
        counts.toSorted((a, b) => a - b),
        Array.from({ length: 20 }, (_, index) => index + 3),
      )
      await one.remove(groupId)
      await one.begin(groupId, { expiresInMs })
      assert.equal(await two.increment(groupId, { expiresInMs }), 1)
    },
    counter,
  )
}
