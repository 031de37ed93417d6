/** Writes `docs/reference/settings.md`: `node --conditions=@ct/source tools/docs/src/settings.ts --write`. Without `--write`: prints it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { workspace } from './page.ts'
import { renderSettingsPage } from './settings-page.ts'

const page = await renderSettingsPage()
if (process.argv.includes('--write')) writeFileSync(join(workspace, 'docs/reference/settings.md'), page)
else console.log(page)
