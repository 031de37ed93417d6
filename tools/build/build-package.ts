/**
 * Builds the package in the current folder into `dist`: JavaScript bundled by tsup (few files, ESM), declarations by tsc.
 * Entries are read from package.json: whatever `exports` maps to a source file, and the files listed in `ctBuild.entries`
 * (entry files of threads and processes that must stay files of their own).
 */
import { spawnSync } from 'node:child_process'
import { readFileSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { build } from 'tsup'
import { announce } from './announce.ts'

interface Manifest {
  readonly name: string
  readonly exports?: Readonly<Record<string, string | Readonly<Record<string, string>>>>
  readonly ctBuild?: { readonly entries?: readonly string[] }
}

/** `src/broker-kit/index.ts` → `broker-kit/index`: the layout of dist is that of src. */
function entriesOf(manifest: Manifest): Record<string, string> {
  const sources = Object.values(manifest.exports ?? {})
    .map((target) => (typeof target === 'string' ? undefined : target['@ct/source']))
    .filter((source) => source !== undefined)
  const all = [...sources, ...(manifest.ctBuild?.entries ?? [])]
  return Object.fromEntries(
    all.map((source) => [source.replace(/^\.\/src\//, '').replace(/\.ts$/, ''), source]),
  )
}

function filesBelow(folder: string, suffix: string): string[] {
  return readdirSync(folder, { recursive: true, encoding: 'utf8' })
    .filter((file) => file.endsWith(suffix))
    .map((file) => join(folder, file))
}

/** tsc keeps `.ts` in the specifiers of declarations; published files name what is there at run time. */
function rewriteSpecifiers(): void {
  for (const file of filesBelow('dist', '.d.ts')) {
    const text = readFileSync(file, 'utf8')
    const rewritten = text.replace(/((?:from|import)\s*\(?\s*['"]\.{1,2}\/[^'"]*)\.ts(['"])/g, '$1.js$2')
    if (rewritten !== text) writeFileSync(file, rewritten)
  }
}

async function emitJavaScript(manifest: Manifest): Promise<void> {
  await build({
    config: false,
    entry: entriesOf(manifest),
    outDir: 'dist',
    format: ['esm'],
    target: 'node22',
    platform: 'node',
    splitting: true,
    treeshake: true,
    sourcemap: true,
    clean: true,
    dts: false,
    silent: true,
    // Node's built-ins keep their prefix: a bare name could meet a package of the same name.
    removeNodeProtocol: false,
  })
}

function emitDeclarations(): number {
  const tsc = fileURLToPath(new URL('../../node_modules/typescript/bin/tsc', import.meta.url))
  const config = '.tsconfig.build.json'
  const base = JSON.parse(readFileSync('tsconfig.json', 'utf8')) as { extends: string }
  writeFileSync(
    config,
    JSON.stringify({
      extends: base.extends,
      compilerOptions: {
        noEmit: false,
        emitDeclarationOnly: true,
        declaration: true,
        declarationMap: false,
        rootDir: 'src',
        outDir: 'dist',
        // Against what is published, not against the sources: the declarations of dependencies are under test here too.
        customConditions: [],
        stripInternal: true,
      },
      include: ['src'],
      exclude: ['src/**/*.test.ts', 'src/**/*.test-d.ts', 'src/**/fixtures/**'],
    }),
  )
  try {
    return spawnSync(process.execPath, [tsc, '--project', config], { stdio: 'inherit' }).status ?? 1
  } finally {
    rmSync(config, { force: true })
  }
}

using _running = announce('build')
const manifest = JSON.parse(readFileSync('package.json', 'utf8')) as Manifest
await emitJavaScript(manifest)
const status = emitDeclarations()
rewriteSpecifiers()
process.exitCode = status
if (status === 0) console.log(`${manifest.name}: ${filesBelow('dist', '.js').length} JavaScript files`)
