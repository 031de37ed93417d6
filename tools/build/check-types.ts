/**
 * Type-checks the package in the current folder, tests and `*.test-d.ts` included. Type tests are plain TypeScript
 * (`expectTypeOf` and `@ts-expect-error`), so the compiler that ships the types is also the one that judges them.
 */
import { spawnSync } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { announce } from './announce.ts'

using _running = announce('types')
const tsc = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url))
const run = spawnSync(process.execPath, [tsc, '--project', 'tsconfig.json', '--noEmit'], { stdio: 'inherit' })
process.exitCode = run.status ?? 1
