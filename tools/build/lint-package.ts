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

/** Nx looks for a root tsconfig and says at length that there is none; the compiler's options are in tools/build here. */
const noise = /^(?:Error reading "tsconfig\.base\.json"|\{"errno":-2,"code":"ENOENT").*\n/gm

/** Runs one linter from the workspace's root, where all of them find their configuration. */
function run(title: string, program: string, args: readonly string[]): boolean {
  const { status, stdout, stderr } = spawnSync(process.execPath, [workspace + program, ...args], {
    cwd: workspace,
    encoding: 'utf8',
    env: { ...process.env, NO_COLOR: '1', FORCE_COLOR: undefined },
  })
  if (status === 0) return true
  console.error(`${title} failed in ${here}\n${`${stdout}${stderr}`.replace(noise, '')}`)
  return false
}

using _running = announce('lint')
const graph = `${workspace}.nx/workspace-data/project-graph.json`
if (!existsSync(graph))
  throw new Error(`no project graph at ${graph}: run lint through Nx (pnpm nx lint <project>)`)

const passed = [
  run('oxlint', 'node_modules/oxlint/bin/oxlint', [
    '--deny-warnings',
    '--no-error-on-unmatched-pattern',
    here,
  ]),
  run('oxfmt', 'node_modules/oxfmt/bin/oxfmt', ['--check', '--no-error-on-unmatched-pattern', here]),
  run('module boundaries', 'tools/checks/node_modules/eslint/bin/eslint.js', [
    '--config',
    'tools/checks/eslint.config.mjs',
    '--no-warn-ignored',
    '--no-error-on-unmatched-pattern',
    here,
  ]),
]
process.exitCode = passed.every(Boolean) ? 0 : 1
