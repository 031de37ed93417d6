import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const run = promisify(execFile)

const program = `
console.log('runs')
const { threadsPool } = await import('@ct/pool-threads')
const pool = threadsPool()
await pool.start({
  size: 1,
  entry: new URL(import.meta.resolve('@ct/testing/conformance/slot-entry')),
  modules: ['data:text/javascript,'],
  config: null,
  onSlotError: console.error,
})
console.log('started')
await pool.close()
`

it('starts in a program that Node was given as a text', async () => {
  const { stdout } = await run(
    process.execPath,
    ['--conditions=@ct/source', '--input-type=module', '-e', program],
    { cwd: fileURLToPath(new URL('.', import.meta.url)) },
  )
  expect(stdout).toBe('runs\nstarted\n')
})
