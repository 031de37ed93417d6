import { execFile } from 'node:child_process'
import { promisify } from 'node:util'
import { expect, it } from 'vitest'

const file = new URL('fixtures/node-fixture.ts', import.meta.url)

it('TEST-21…24: fixtures for node:test, for each test and for a whole file', async () => {
  const { NODE_TEST_CONTEXT: _, ...env } = process.env
  const { stdout } = await promisify(execFile)(
    process.execPath,
    ['--conditions=@ct/source', '--test', '--test-reporter=tap', file.pathname],
    { env },
  )
  expect(stdout).toMatch(/# pass 5\n# fail 0/)
})
