/**
 * Lints the package in the current folder: oxlint, oxfmt, then ESLint for the one rule that needs Nx's project graph
 * (who may import whom). Without a graph that rule passes everything, so no graph is an error here.
 */
import { spawnSync } from 'node:child_process'
import { existsSync } from 'node:fs'
import { relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { announce } from './announce.ts'

const workspace = fileURLToPath(new URL('../..', import.meta.url))
const here = relative(workspace, process.cwd()).replaceAll('\\', '/')

/** Runs one linter from the workspace's root, where all of them find their configuration. */
function run(title: string, program: string, args: readonly string[]): boolean {
  const { status } = spawnSync(process.execPath, [workspace + program, ...args], {
    cwd: workspace,
    stdio: 'inherit',
  })
  if (status !== 0) console.error(`${title} failed in ${here}`)
  return status === 0
}

using _running = announce('lint')
const graph = `${workspace}.nx/workspace-data/project-graph.json`
if (!existsSync(graph))
  throw new Error(`no project graph at ${graph}: run lint through Nx (pnpm nx lint <project>)`)

const passed = [
  run('oxlint', 'node_modules/oxlint/bin/oxlint', ['--deny-warnings', here]),
  run('oxfmt', 'node_modules/oxfmt/bin/oxfmt', ['--check', '--no-error-on-unmatched-pattern', here]),
  run('module boundaries', 'tools/checks/node_modules/eslint/bin/eslint.js', [
    '--config',
    'tools/checks/eslint.config.mjs',
    '--no-warn-ignored',
    '--pass-on-no-patterns',
    here,
  ]),
]
process.exitCode = passed.every(Boolean) ? 0 : 1
