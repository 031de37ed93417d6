/** R4, R5, R6, R7, R9, R10, R13: storing, reading, expiring, forgetting. */
import assert from 'node:assert/strict'
import { sleep } from '../waiting.ts'
import type { ResultBackendSuite } from './scene.ts'

export function storingTests({ test, options }: ResultBackendSuite): void {
  const { capabilities } = options
  const readable = capabilities.readers === 'anyone' ? undefined : false

  test(
    'R4: what was stored is read back byte for byte, by anybody',
    async (scene) => {
      const { connection } = await scene.connect()
      const other = await scene.connect()
      const id = scene.id()
      const bytes = Uint8Array.from({ length: 1_024 }, (_, index) => (index * 7) % 256)
      const plain = scene.write(id, 'SUCCESS', 'x')
      const write =
        plain.columns === undefined
          ? { ...plain, document: bytes }
          : {
              ...plain,
              columns: {
                ...plain.columns,
                result: bytes,
                children: bytes,
                traceback: 'Tr\u00e4ce \u{1f600}\n',
              },
            }
      await connection.store([write])
      const [stored] = await other.connection.getMany([id])
      assert.equal(stored?.taskId, id)
      assert.equal((stored?.document === undefined) !== (stored?.columns === undefined), true)
      const got = stored?.document ?? stored?.columns?.result
      assert.ok(got !== undefined && Buffer.from(got).equals(bytes))
      if (write.columns === undefined) return
      assert.ok(Buffer.from(stored?.columns?.children ?? []).equals(bytes))
      assert.equal(stored?.columns?.traceback, 'Tr\u00e4ce \u{1f600}\n')
      assert.equal(stored?.columns?.status, 'SUCCESS')
    },
    readable,
  )

  test(
    'R4: ids may be any text, and a large document stays whole',
    async (scene) => {
      const { connection } = await scene.connect()
      const unique = scene.id('')
      const ids = ['a b', 'a/b', 'ünï\u{1f600}', '__proto__', "'; --", '%_*?[x]', 'x'.repeat(120)].map(
        (id) => id + unique,
      )
      for (const id of ids) await connection.store([scene.write(id, 'SUCCESS', id)])
      for (const id of ids) assert.equal(await scene.get(connection, id), `SUCCESS ${id}`)
      const size = Math.min(1_000_000, (capabilities.maxDocumentBytes ?? Infinity) / 2)
      const large = 'l'.repeat(size)
      const id = scene.id()
      await connection.store([scene.write(id, 'SUCCESS', large)])
      assert.equal(await scene.get(connection, id), `SUCCESS ${large}`)
    },
    readable,
  )

  test(
    'R4: the caller’s bytes may change after store has resolved',
    async (scene) => {
      const { connection } = await scene.connect()
      const id = scene.id()
      const write = scene.write(id, 'SUCCESS', 'mine')
      await connection.store([write])
      write.document.fill(0)
      write.columns?.result.fill(0)
      assert.equal(await scene.get(connection, id), 'SUCCESS mine')
    },
    readable,
  )

  test(
    'R5: a stored SUCCESS is never overwritten, and nobody is told of the attempt',
    async (scene) => {
      const { connection } = await scene.connect()
      const other = await scene.connect()
      const id = scene.id()
      await connection.store([scene.write(id, 'SUCCESS', 'first')])
      const { told, subscription } = scene.listen(other.connection)
      await subscription.add([id])
      await scene.eventually('the stored result', () => (told.length > 0 ? true : undefined))
      for (const state of ['STARTED', 'FAILURE', 'REVOKED', 'RETRY', 'SUCCESS', 'PROGRESS']) {
        await other.connection.store([scene.write(id, state, 'second')])
      }
      assert.equal(await scene.get(connection, id), 'SUCCESS first')
      await scene.quiet()
      assert.deepEqual(told, [`${id} SUCCESS first`])
    },
    readable,
  )

  test(
    'R5: other states overwrite each other, and writes of one call take effect in their order',
    async (scene) => {
      const { connection } = await scene.connect()
      const id = scene.id()
      for (const state of ['STARTED', 'RETRY', 'FAILURE', 'REVOKED', 'FAILURE', 'STARTED']) {
        await connection.store([scene.write(id, state, state)])
        assert.equal(await scene.get(connection, id), `${state} ${state}`)
      }
      const writes = ['STARTED', 'SUCCESS', 'FAILURE'].map((state) => scene.write(id, state, state))
      await connection.store(writes)
      assert.equal(await scene.get(connection, id), 'SUCCESS SUCCESS')
    },
    readable,
  )

  test(
    'R5: of two processes that write at the same time, a SUCCESS wins',
    async (scene) => {
      const one = await scene.connect()
      const two = await scene.connect()
      for (let round = 0; round < 20; round++) {
        const id = scene.id()
        const success = one.connection.store([scene.write(id, 'SUCCESS', 'yes')])
        const failure = two.connection.store([scene.write(id, 'STARTED', 'no')])
        await Promise.all([success, failure])
        await two.connection.store([scene.write(id, 'FAILURE', 'late')])
        assert.equal(await scene.get(one.connection, id), 'SUCCESS yes')
      }
    },
    options.conditionalWrites === false ? false : readable,
  )

  test(
    'R6, BACK-8, RES-33: getMany keeps the order of the ids; a missing one is undefined',
    async (scene) => {
      const { connection } = await scene.connect()
      const ids = Array.from({ length: 120 }, (_, index) => scene.id(String(index)))
      const stored = ids.filter((_, index) => index % 3 !== 0)
      await Promise.all(stored.map((id) => connection.store([scene.write(id, 'SUCCESS', id)])))
      const asked = ids.toReversed()
      const got = await connection.getMany([...asked, asked[0]!])
      assert.deepEqual(
        got.map((result) => scene.read(result)),
        [...asked, asked[0]!].map((id) => (stored.includes(id) ? `SUCCESS ${id}` : undefined)),
      )
      assert.deepEqual(await connection.getMany([]), [])
    },
    readable,
  )

  test(
    'R7: forget removes the record; what is not there is no error; then anything can be stored again',
    async (scene) => {
      const { connection } = await scene.connect()
      const [one, two] = [scene.id(), scene.id()]
      await connection.store([scene.write(one, 'SUCCESS', 'a'), scene.write(two, 'SUCCESS', 'b')])
      await connection.forget([one, scene.id()])
      assert.equal(await scene.get(connection, one), undefined)
      assert.equal(await scene.get(connection, two), 'SUCCESS b')
      await connection.store([scene.write(one, 'FAILURE', 'again')])
      assert.equal(await scene.get(connection, one), 'FAILURE again')
      await connection.forget([])
    },
    readable,
  )

  test(
    'R9, BACK-9: a record is gone after expiresInMs, and stays where that is undefined',
    async (scene) => {
      const { connection } = await scene.connect()
      const [short, long, ever] = [scene.id(), scene.id(), scene.id()]
      await connection.store([
        scene.write(short, 'SUCCESS', 'a', { expiresInMs: scene.shortMs }),
        scene.write(long, 'SUCCESS', 'b', { expiresInMs: 600_000 }),
        scene.write(ever, 'SUCCESS', 'c', { expiresInMs: undefined }),
      ])
      assert.equal(await scene.get(connection, short), 'SUCCESS a')
      await sleep(scene.shortMs)
      await scene.eventually('the record to expire', async () =>
        (await scene.get(connection, short)) === undefined ? true : undefined,
      )
      assert.equal(await scene.get(connection, long), 'SUCCESS b')
      assert.equal(await scene.get(connection, ever), 'SUCCESS c')
      await connection.store([scene.write(short, 'FAILURE', 'again')])
      assert.equal(await scene.get(connection, short), 'FAILURE again')
    },
    capabilities.autoExpire ? readable : false,
  )

  test(
    'R10: groups are saved, read back byte for byte, deleted, and do not meet tasks of the same id',
    async (scene) => {
      const { connection } = await scene.connect()
      const other = await scene.connect()
      const id = scene.id('group')
      const document = Uint8Array.from({ length: 300 }, (_, index) => index % 256)
      await connection.store([scene.write(id, 'SUCCESS', 'a task')])
      assert.equal(await other.connection.getGroup(id), undefined)
      await connection.storeGroup(id, document, { expiresInMs: 60_000 })
      assert.ok(Buffer.from((await other.connection.getGroup(id)) ?? []).equals(document))
      await connection.storeGroup(id, document.subarray(0, 10))
      assert.equal((await other.connection.getGroup(id))?.byteLength, 10)
      await other.connection.forgetGroup(id)
      assert.equal(await connection.getGroup(id), undefined)
      await other.connection.forgetGroup(id)
      assert.equal(await scene.get(connection, id), 'SUCCESS a task')
    },
    capabilities.groups ? readable : false,
  )

  test('R13: cleanup answers with a number, and leaves alone what is younger', async (scene) => {
    const { connection } = await scene.connect()
    const id = scene.id()
    await connection.store([scene.write(id, 'SUCCESS', 'young')])
    const removed = await connection.cleanup(Date.now() - 3_600_000)
    assert.equal(typeof removed, 'number')
    if (readable === undefined) assert.equal(await scene.get(connection, id), 'SUCCESS young')
  })

  test(
    'R13: cleanup removes what is older',
    async (scene) => {
      const { connection } = await scene.connect()
      const ids = [scene.id(), scene.id()]
      await connection.store(ids.map((id) => scene.write(id, 'SUCCESS', 'old')))
      await sleep(20)
      assert.ok((await connection.cleanup(Date.now() + 1_000)) >= 2)
      assert.deepEqual(await connection.getMany(ids), [undefined, undefined])
    },
    capabilities.autoExpire ? false : readable,
  )
}
