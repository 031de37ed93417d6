/** S4: who leads. */
import assert from 'node:assert/strict'
import { eventually, sleep } from '../waiting.ts'
import { code, entry, names, type ScheduleStoreSuite } from './scene.ts'

export function leadingTests({ test, capabilities, leadMs, patienceMs }: ScheduleStoreSuite): void {
  const needs = capabilities.election ? undefined : false

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
    needs,
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
    needs,
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
    needs,
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
    needs,
  )

  test(
    'S4: after the server lost its data, a token is higher than any before, and one of before is refused',
    async (scene) => {
      const one = await scene.connect()
      const two = await scene.connect()
      const first = (await one.lead({ holder: 'one', ttlMs: 60_000 }))!
      await scene.harness.loseData!()
      const second = (await two.lead({ holder: 'two', ttlMs: 60_000 }))!
      assert.ok(second.token > first.token)
      assert.equal(await code(one.save({ put: [entry('late')], token: first.token })), 'CT_LEASE_LOST')
      assert.deepEqual(await names(two), [])
    },
    capabilities.election ? 'loseData' : false,
  )
}
