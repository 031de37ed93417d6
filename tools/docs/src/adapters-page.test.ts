import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { adaptersPage } from './adapters-page.ts'
import { workspace } from './page.ts'

it('docs/reference/adapters.md is up to date (tools/docs/src/adapters.ts --write)', () => {
  expect(readFileSync(join(workspace, 'docs/reference/adapters.md'), 'utf8')).toBe(adaptersPage())
})
