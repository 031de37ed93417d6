/** R8: waiting for results. */
import assert from 'node:assert/strict'
import { within } from '../waiting.ts'
import type { ResultBackendScene, ResultBackendSuite } from './scene.ts'

export function subscribingTests({ test, options }: ResultBackendSuite): void {
  const push = options.capabilities.subscribe === 'push'

  /** Where only the caller can read, its reply queue goes along. */
  function addressed(
    scene: ResultBackendScene,
    peer: Parameters<NonNullable<typeof scene.harness.replyTo>>[0],
    id: string,
  ) {
    const replyTo = scene.harness.replyTo?.(peer)
    return replyTo === undefined ? {} : { replyTo, correlationId: id }
  }

  test('R8: what is stored later is delivered', async (scene) => {
    const waiting = await scene.connect()
    const writer = await scene.connect()
    const { told, subscription } = scene.listen(waiting.connection)
    const id = scene.id()
    await subscription.add([id])
    const started = performance.now()
    await writer.connection.store([scene.write(id, 'SUCCESS', 'later', addressed(scene, waiting.peer, id))])
    await scene.eventually('the result', () => (told.length > 0 ? true : undefined))
    assert.deepEqual(told, [`${id} SUCCESS later`])
    if (push) assert.ok(performance.now() - started < 500, 'at once')
  })

  test(
    'R8: what is stored already is delivered when its id is added',
    async (scene) => {
      const { connection } = await scene.connect()
      const id = scene.id()
      await (await scene.connect()).connection.store([scene.write(id, 'FAILURE', 'before')])
      const { told, subscription } = scene.listen(connection)
      await subscription.add([id])
      await scene.eventually('the result', () => (told.length > 0 ? true : undefined))
      assert.deepEqual(told, [`${id} FAILURE before`])
    },
    options.capabilities.readers === 'anyone' ? undefined : false,
  )

  test('R8: no change is missed, whenever it comes while ids are being added', async (scene) => {
    const waiting = await scene.connect()
    const writer = await scene.connect()
    const { told, subscription } = scene.listen(waiting.connection)
    const ids = Array.from({ length: 100 }, (_, index) => scene.id(String(index)))
    const stored: Promise<void>[] = []
    for (const id of ids) {
      // Some before, some while, some after: all must arrive.
      const write = scene.write(id, 'SUCCESS', 'x', addressed(scene, waiting.peer, id))
      const adding = subscription.add([id])
      stored.push(writer.connection.store([write]))
      if (Math.random() < 0.5) await adding
    }
    await Promise.all(stored)
    await scene.eventually('all results', () => (new Set(told).size === 100 ? true : undefined))
    assert.deepEqual(new Set(told), new Set(ids.map((id) => `${id} SUCCESS x`)))
  })

  test(
    'R8: changes of one id come in their order, and the last one always comes',
    async (scene) => {
      const waiting = await scene.connect()
      const writer = await scene.connect()
      const { told, subscription } = scene.listen(waiting.connection)
      const id = scene.id()
      await subscription.add([id])
      const states = ['STARTED', 'PROGRESS', 'RETRY', 'STARTED', 'SUCCESS']
      for (const [index, state] of states.entries())
        await writer.connection.store([scene.write(id, state, String(index))])
      await scene.eventually('the last', () => (told.at(-1) === `${id} SUCCESS 4` ? true : undefined))
      const numbers = told.map((one) => Number(one.at(-1)))
      assert.deepEqual(
        numbers,
        numbers.toSorted((a, b) => a - b),
      )
      if (push) assert.deepEqual(new Set(numbers), new Set([0, 1, 2, 3, 4]))
    },
    options.capabilities.readers === 'anyone' ? undefined : false,
  )

  test(
    'R8: each add needs its remove; then nothing more is told',
    async (scene) => {
      const waiting = await scene.connect()
      const writer = await scene.connect()
      const { told, subscription } = scene.listen(waiting.connection)
      const id = scene.id()
      await subscription.add([id])
      await subscription.add([id])
      await subscription.remove([id])
      await writer.connection.store([scene.write(id, 'STARTED', '1')])
      await scene.eventually('the first', () => (told.length > 0 ? true : undefined))
      await subscription.remove([id, scene.id()])
      await writer.connection.store([scene.write(id, 'SUCCESS', '2')])
      await scene.quiet()
      assert.deepEqual(told, [`${id} STARTED 1`])
      // Added once more, it is told what is there by now.
      await subscription.add([id])
      await scene.eventually('the last', () => (told.includes(`${id} SUCCESS 2`) ? true : undefined))
    },
    options.capabilities.readers === 'anyone' ? undefined : false,
  )

  test('R8: two subscriptions of one connection do not disturb each other', async (scene) => {
    const waiting = await scene.connect()
    const writer = await scene.connect()
    const one = scene.listen(waiting.connection)
    const two = scene.listen(waiting.connection)
    const [a, b] = [scene.id('a'), scene.id('b')]
    await one.subscription.add([a])
    await two.subscription.add([a, b])
    await within('close', scene.patienceMs, one.subscription.close())
    for (const id of [a, b]) {
      await writer.connection.store([scene.write(id, 'SUCCESS', 'x', addressed(scene, waiting.peer, id))])
    }
    await scene.eventually('both', () => (two.told.length >= 2 ? true : undefined))
    assert.deepEqual(two.told.toSorted(), [`${a} SUCCESS x`, `${b} SUCCESS x`].toSorted())
    assert.deepEqual(one.told, [])
  })

  test('R8: a thousand ids wait over one connection', async (scene) => {
    const waiting = await scene.connect()
    const writer = await scene.connect()
    const { told, subscription } = scene.listen(waiting.connection)
    const ids = Array.from({ length: 1_000 }, (_, index) => scene.id(String(index)))
    await subscription.add(ids)
    const writes = ids.map((id) => scene.write(id, 'SUCCESS', 'x', addressed(scene, waiting.peer, id)))
    for (let start = 0; start < writes.length; start += 100)
      await writer.connection.store(writes.slice(start, start + 100))
    await scene.eventually('all thousand', () => (told.length >= 1_000 ? true : undefined))
    assert.equal(new Set(told).size, 1_000)
    await subscription.remove(ids)
  })
}
