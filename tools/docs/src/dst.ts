/** Writes `docs/userguide/dst.md`: `node --conditions=@ct/source tools/docs/src/dst.ts --write`. Without `--write`: prints it. */
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { renderDstPage } from './dst-page.ts'
import { workspace } from './page.ts'

const page = renderDstPage()
if (process.argv.includes('--write')) writeFileSync(join(workspace, 'docs/userguide/dst.md'), page)
else console.log(page)
