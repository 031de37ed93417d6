/** Writes `docs/reference/adapters.md`: `node --conditions=@ct/source tools/docs/src/adapters.ts --write`. Without `--write`: prints it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { adaptersPage } from './adapters-page.ts'
import { workspace } from './page.ts'

if (process.argv.includes('--write'))
  writeFileSync(join(workspace, 'docs/reference/adapters.md'), adaptersPage())
else console.log(adaptersPage())
