/**
 * Packs the package in the current folder the way it is published and judges the tarball: publint for the manifest,
 * are-the-types-wrong for the declarations under NodeNext and bundlers, and a look at the declarations for `any`.
 * The tarball stays in `.test-results/pack` for tests that install it.
 */
import { spawnSync } from 'node:child_process'
import { mkdirSync, readFileSync, readdirSync, renameSync, rmSync } from 'node:fs'
import { join, relative } from 'node:path'
import { fileURLToPath } from 'node:url'
import { checkPackage, createPackageFromTarballData } from '@arethetypeswrong/core'
import { publint } from 'publint'
import { formatMessage } from 'publint/utils'
import { anyInDeclarations } from './any-in-declarations.ts'
import { announce } from './announce.ts'
import { pnpm } from './pnpm.ts'

const workspace = fileURLToPath(new URL('../..', import.meta.url))
const slug = relative(workspace, process.cwd()).replaceAll('\\', '/').replaceAll('/', '-')
const folder = `${workspace}.test-results/pack`
const tarball = `${folder}/${slug}.tgz`

function pack(): Buffer {
  const into = `${tarball}.dir`
  rmSync(into, { recursive: true, force: true })
  mkdirSync(into, { recursive: true })
  const { command, args } = pnpm('pack', '--pack-destination', into)
  const run = spawnSync(command, args, { encoding: 'utf8' })
  const file = readdirSync(into).find((name) => name.endsWith('.tgz'))
  if (run.status !== 0 || file === undefined) throw new Error(`pnpm pack failed:\n${run.stdout}${run.stderr}`)
  renameSync(join(into, file), tarball)
  rmSync(into, { recursive: true })
  return readFileSync(tarball)
}

async function publintProblems(packed: Buffer): Promise<string[]> {
  const view = packed.buffer.slice(packed.byteOffset, packed.byteOffset + packed.byteLength) as ArrayBuffer
  const { messages, pkg } = await publint({ pack: { tarball: view }, strict: true })
  return messages.map((message) => `publint: ${formatMessage(message, pkg) ?? message.code}`)
}

/** ESM only by design: `require()` of ESM is Node's own business since 22.12, and node10 resolution knows no `exports`. */
const byDesign = new Set(['CJSResolvesToESM'])

async function typeProblems(packed: Buffer): Promise<string[]> {
  const analysis = await checkPackage(createPackageFromTarballData(new Uint8Array(packed)))
  if (analysis.types === false) return ['are-the-types-wrong: the tarball holds no types']
  return analysis.problems
    .filter((problem) => !byDesign.has(problem.kind))
    .filter((problem) => !('resolutionKind' in problem && problem.resolutionKind === 'node10'))
    .map((problem) => `are-the-types-wrong: ${JSON.stringify(problem)}`)
}

using _running = announce('pack')
const packed = pack()
const problems = [
  ...(await publintProblems(packed)),
  ...(await typeProblems(packed)),
  ...anyInDeclarations('dist'),
]
for (const problem of problems) console.error(problem)
console.log(`${slug}.tgz: ${Math.ceil(packed.length / 1024)} KB, ${problems.length} problems`)
process.exitCode = problems.length === 0 ? 0 : 1
