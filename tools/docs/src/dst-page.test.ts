import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { renderDstPage } from './dst-page.ts'
import { workspace } from './page.ts'

it('docs/userguide/dst.md is up to date (tools/docs/src/dst.ts --write)', () => {
  expect(readFileSync(join(workspace, 'docs/userguide/dst.md'), 'utf8')).toBe(renderDstPage())
})
