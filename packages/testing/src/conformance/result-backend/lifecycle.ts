/** R1, R2, R3, R12: making, connecting, closing, failing. */
import assert from 'node:assert/strict'
import { isCeleryError } from '@ct/contracts'
import { openHandles } from '../open-handles.ts'
import { eventually, rejection, within } from '../waiting.ts'
import type { ResultBackendSuite } from './scene.ts'

export function backendLifecycleTests({ test, options }: ResultBackendSuite): void {
  test('R1: making a backend opens nothing, and declares what it can', async (scene) => {
    const before = openHandles().length
    const { backend } = await scene.peer()
    assert.deepEqual({ ...backend.capabilities }, { ...options.capabilities })
    assert.ok(Object.isFrozen(backend.capabilities))
    assert.equal(backend.kind, 'result-backend')
    // A harness may have a line of its own, such as a proxy.
    assert.ok(openHandles().length <= before + 2)
  })

  test('R2: connect rejects with CT_ABORTED when its signal has fired', async (scene) => {
    const { backend } = await scene.peer()
    const error = await rejection(backend.connect({ signal: AbortSignal.abort(), onNotice: () => {} }))
    assert.equal(isCeleryError(error) && error.code, 'CT_ABORTED')
  })

  test(
    'R2: connect rejects with a retryable CT_BACKEND_UNAVAILABLE when the server is not there',
    async (scene) => {
      const backend = (await scene.harness.unreachable?.())!
      const error = await rejection(within('connect', 20_000, backend.connect({ onNotice: () => {} })))
      assert.ok(isCeleryError(error))
      assert.equal(error.code, 'CT_BACKEND_UNAVAILABLE')
      assert.equal(error.retryable, true)
      assert.ok(error.cause !== undefined, 'the driver’s error is the cause')
      await backend.close()
    },
    'unreachable',
  )

  test('R3: close is idempotent on subscription, connection and backend, in any order', async (scene) => {
    const { peer, connection } = await scene.connect()
    const { subscription } = scene.listen(connection)
    await subscription.add([scene.id()])
    await Promise.all([connection.close(), subscription.close(), peer.backend.close(), subscription.close()])
    await connection.close()
    await peer.backend.close()
  })

  test('R3: close while connecting leaves nothing behind', async (scene) => {
    const { backend } = await scene.peer()
    const connecting = backend.connect({ onNotice: () => {} }).then(
      (connection) => connection.close(),
      () => undefined,
    )
    await within('close while connecting', scene.patienceMs, backend.close())
    await connecting
  })

  test('R3: close leaves no socket open, and later calls say CT_CLOSED', async (scene) => {
    const { backend } = await scene.peer()
    const before = openHandles().length
    const connection = await backend.connect({ onNotice: () => {} })
    const { subscription } = scene.listen(connection)
    await subscription.add([scene.id()])
    await connection.close()
    await backend.close()
    await eventually('sockets to be gone', scene.patienceMs, () =>
      openHandles().length <= before ? true : undefined,
    )
    const error = await rejection(connection.getMany([scene.id()]))
    assert.equal(isCeleryError(error) && error.code, 'CT_CLOSED')
  })

  test(
    'R12: a lost connection is told once, then every call rejects with CT_BACKEND_UNAVAILABLE; the backend connects again',
    async (scene) => {
      const { peer, connection, notices } = await scene.connect()
      const id = scene.id()
      await connection.store([scene.write(id, 'SUCCESS', 'kept')])
      const { subscription } = scene.listen(connection)
      await subscription.add([scene.id()])
      await peer.cut!()
      await scene.eventually('the notice of the loss', () =>
        notices.find(({ kind }) => kind === 'connection-lost'),
      )
      for (const call of [
        () => connection.getMany([id]),
        () => connection.store([scene.write(id, 'FAILURE', 'late')]),
        () => connection.forget([id]),
      ]) {
        const error = await rejection(
          within<unknown>('a call on a lost connection', scene.patienceMs, call()),
        )
        assert.ok(isCeleryError(error), `not one of ours: ${error.message}`)
        assert.equal(error.code, 'CT_BACKEND_UNAVAILABLE')
        assert.equal(error.retryable, true)
      }
      assert.equal(notices.filter(({ kind }) => kind === 'connection-lost').length, 1)
      await within('close', scene.patienceMs, connection.close())
      const again = await scene.connect(peer)
      assert.equal(await scene.get(again.connection, id), 'SUCCESS kept')
    },
    options.capabilities.readers === 'anyone' ? 'cut' : false,
  )
}
