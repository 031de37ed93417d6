/**
 * Runs one test suite of the package in the current folder: `node run-suite.ts unit|conformance|interop`.
 * The JSON summary goes to `.test-results/<suite>/<package>.json`, where `npm test` sums all of them.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, rmSync } from 'node:fs'
import { dirname, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { announce } from './announce.ts'

const suite = process.argv[2] ?? 'unit'
const workspace = fileURLToPath(new URL('../..', import.meta.url))
const slug = relative(workspace, process.cwd()).replaceAll('\\', '/').replaceAll('/', '-')
const summary = `${workspace}.test-results/${suite}/${slug}.json`
mkdirSync(dirname(summary), { recursive: true })
rmSync(summary, { force: true })

using _running = announce(suite)
const config = fileURLToPath(new URL('vitest.config.ts', import.meta.url))
const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url))
const run = spawnSync(
  process.execPath,
  [
    vitest,
    'run',
    '--config',
    config,
    '--reporter=default',
    '--reporter=json',
    `--outputFile.json=${summary}`,
    ...process.argv.slice(3),
  ],
  { stdio: 'inherit', env: { ...process.env, CT_SUITE: suite } },
)
process.exitCode = run.status ?? 1
