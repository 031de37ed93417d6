/** S1: opening and closing. */
import assert from 'node:assert/strict'
import { isCeleryError } from '@ct/contracts'
import { openHandles } from '../open-handles.ts'
import { eventually, rejection, within } from '../waiting.ts'
import { code, type ScheduleStoreSuite } from './scene.ts'

export function scheduleLifecycleTests({ test, capabilities, patienceMs }: ScheduleStoreSuite): void {
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
    assert.equal(await code(store.connect({ signal: AbortSignal.abort(), onNotice: () => {} })), 'CT_ABORTED')
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
}
