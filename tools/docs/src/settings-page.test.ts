import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { workspace } from './page.ts'
import { renderSettingsPage } from './settings-page.ts'

it('docs/reference/settings.md is up to date (tools/docs/src/settings.ts --write)', async () => {
  const current = readFileSync(join(workspace, 'docs/reference/settings.md'), 'utf8')
  expect(current).toBe(await renderSettingsPage())
})
