/**
 * `pnpm release:version`: what changesets make of the notes (versions, changelogs), and the same versions where sources name them: they are bundled, and
 * cannot look into a package.json.
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, writeFileSync } from 'node:fs'
import { fileURLToPath } from 'node:url'
import { pnpm } from './pnpm.ts'
import { sourceVersions } from './source-versions.ts'

const workspace = fileURLToPath(new URL('../..', import.meta.url))
const { command, args } = pnpm('changeset', 'version')
const run = spawnSync(command, args, { cwd: workspace, stdio: 'inherit' })
if (run.status !== 0) process.exit(run.status ?? 1)
for (const { path, named, version } of sourceVersions(workspace)) {
  if (named === version) continue
  const file = `${workspace}/${path}`
  writeFileSync(file, readFileSync(file, 'utf8').replace(`'${named}'`, `'${version}'`))
}
