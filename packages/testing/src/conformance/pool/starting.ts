/** P1: how a pool starts, and what its slots tell. */
import assert from 'node:assert/strict'
import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { isCeleryError } from '@ct/contracts'
import { rejection } from '../waiting.ts'
import { emptyModule, slotEntry } from './scene.ts'
import type { PoolConformanceOptions, PoolSuite } from './suite.ts'

export function startingTests({ test, capabilities, slots, options }: PoolSuite): void {
  test('P1: start resolves when the slots are ready', async (scene) => {
    const { pool } = scene
    assert.deepEqual({ ...pool.capabilities }, { ...capabilities })
    await scene.start(slots)
    assert.equal(pool.size, slots)
    assert.equal(pool.active, 0)
    const value = { a: [1, 'x', null] }
    assert.deepEqual(await scene.value(scene.submit({ do: 'return', value })), value)
    assert.equal(typeof pool.info(), 'object')
  })

  test(
    'P1: starts in a program that Node was given as a text, which is not run again in its slots',
    async () => {
      const { stdout } = await promisify(execFile)(process.execPath, [
        // In this repository packages are their sources.
        ...(import.meta.url.endsWith('.ts') ? ['--conditions=@ct/source'] : []),
        '--input-type=module',
        '-e',
        startingProgram(options.made!),
      ])
      assert.equal(stdout, 'runs\nstarted\n')
    },
    options.made === undefined ? false : undefined,
  )

  test(
    'P1: a pool that shares no memory refuses to start without modules',
    async (scene) => {
      assert.equal(await scene.code(scene.start(1, { modules: [] })), 'CT_CONFIGURATION')
    },
    capabilities.sharesMemory ? false : undefined,
  )

  test(
    'P1: what a slot cannot load, start rejects with, and nothing is left behind',
    async (scene) => {
      for (const [config, said] of [
        ['refuse', /this slot refuses to open/],
        ['exit', /exitcode 7|code 7/],
      ] as const) {
        const error = await rejection(scene.start(slots, { config }))
        assert.ok(isCeleryError(error) && error.code === 'CT_CONFIGURATION', String(error))
        assert.match(error.message, said)
        await scene.again()
      }
      const error = await rejection(scene.start(1, { config: 'hang', aliveTimeoutMs: 300 }))
      assert.match(error.message, /could not start/)
      assert.match(scene.slotErrors[0]!.message, /is not ready after 300 ms/)
    },
    capabilities.sharesMemory ? false : undefined,
  )

  test(
    'P1: slots tell when they begin and end, and what they say outside of jobs arrives',
    async (scene) => {
      await scene.start(slots)
      const indexes = Array.from({ length: slots }, (_, index) => index)
      const told = (kind: string): unknown[] =>
        scene.slotMessages.filter((message) => message.kind === kind).map(({ payload }) => payload)
      assert.deepEqual(told('opened').toSorted(), indexes)
      assert.deepEqual(
        scene.slotChanges.map(({ kind, index }) => [kind, index]).toSorted(),
        ['opening', 'started'].flatMap((kind) => indexes.map((index) => [kind, index])),
      )
      await scene.pool.stop()
      assert.deepEqual(told('closed').toSorted(), indexes)
      const ends = scene.slotChanges.filter((change) => change.kind === 'exited')
      assert.deepEqual(ends.map(({ index, expected, exitCode }) => [index, expected, exitCode]).toSorted(), [
        ...indexes.map((index) => [index, true, 0]),
      ])
      assert.deepEqual(scene.slotErrors, [])
    },
    capabilities.sharesMemory ? false : undefined,
  )
}

/** Starts and closes a pool; run again in a child it says so and ends. */
function startingProgram({ module, name }: NonNullable<PoolConformanceOptions['made']>): string {
  return `
console.log('runs')
if (process.argv.length > 1) process.exit(3)
const { ${name} } = await import('${module.href}')
const pool = ${name}()
await pool.start({
  size: 1,
  entry: new URL('${slotEntry().href}'),
  modules: ['${emptyModule}'],
  config: null,
  onSlotError: console.error,
})
console.log('started')
await pool.close()
`
}
