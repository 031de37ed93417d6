// Runs a program of this repository on a machine that has nothing but Node 20 and npm:
//
//   node tools/build/bootstrap.mjs [--nightly] <program.ts> [arguments…]
//
// The first time (and when the lockfile has changed) it installs the workspace with the pnpm that package.json names; the
// install also brings the Node that runs TypeScript as it is. After that it starts the program at once.
// Plain JavaScript without dependencies: it must run before anything is installed.
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { delimiter, join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'

const root = fileURLToPath(new URL('../..', import.meta.url))
const windows = process.platform === 'win32'
const modules = join(root, 'node_modules')
const stamp = join(modules, '.ct-installed')
const node = join(modules, 'nodejs', 'bin', windows ? 'node.exe' : 'node')

/** Changes whenever an install would have something to do: the lockfile, or a package added or altered. */
function fingerprint() {
  const hash = createHash('sha256')
  const files = ['pnpm-lock.yaml', 'pnpm-workspace.yaml', 'package.json']
  for (const group of ['packages', 'tools']) {
    for (const name of readdirSync(join(root, group)).sort()) files.push(join(group, name, 'package.json'))
  }
  for (const file of files) {
    const path = join(root, file)
    if (existsSync(path)) hash.update(file).update('\0').update(readFileSync(path)).update('\0')
  }
  // A checkout that was moved or mounted elsewhere keeps its modules; one installed for another platform does not.
  return hash.update(`${process.platform}-${process.arch}`).digest('hex')
}

function installed(wanted) {
  return existsSync(node) && existsSync(stamp) && readFileSync(stamp, 'utf8') === wanted
}

/** pnpm's own progress, without its warnings about the Node it runs on: the programs run on the Node it installs. */
function showProgress(stream) {
  createInterface({ input: stream }).on('line', (line) => {
    if (line.trim() !== '' && !/Unsupported engine|cyclic workspace/.test(line)) console.error(`  ${line}`)
  })
}

async function install(wanted) {
  const { packageManager } = JSON.parse(readFileSync(join(root, 'package.json'), 'utf8'))
  const why = existsSync(modules) ? 'the lockfile has changed' : 'first run in this checkout'
  console.error(
    `ct: ${why}: installing the workspace with ${packageManager} (about a minute; later runs start at once)`,
  )
  const started = Date.now()
  const installer = spawn(
    'npx',
    ['--yes', '--loglevel=error', packageManager, 'install', '--reporter=append-only'],
    { cwd: root, stdio: ['ignore', 'pipe', 'pipe'], shell: windows },
  )
  showProgress(installer.stdout)
  showProgress(installer.stderr)
  const outcome = await new Promise((resolve) => {
    installer.on('error', (error) => resolve(error.message))
    installer.on('close', (code) => resolve(code === 0 ? undefined : `exit code ${code}`))
  })
  if (outcome !== undefined || !existsSync(node)) {
    console.error(`ct: the install failed (${outcome ?? `${node} is missing`}).`)
    console.error('ct: it needs npm, and a package registry that npm can reach (npm ping).')
    process.exit(1)
  }
  writeFileSync(stamp, wanted)
  console.error(`ct: installed in ${((Date.now() - started) / 1000).toFixed(0)} s`)
}

const args = process.argv.slice(2)
const environment = { ...process.env }
if (args[0] === '--nightly') {
  args.shift()
  environment.CT_NIGHTLY = '1'
}
if (args.length === 0) {
  console.error('usage: node tools/build/bootstrap.mjs [--nightly] <program.ts> [arguments…]')
  process.exit(64)
}

if (Number.parseInt(process.versions.node, 10) < 20) {
  console.error(
    `ct: this is Node ${process.versions.node}; the installer needs Node 20 or later (it brings the Node that ct runs on)`,
  )
  process.exit(1)
}

const wanted = fingerprint()
if (!installed(wanted)) await install(wanted)

const path = [join(modules, 'nodejs', 'bin'), join(modules, '.bin'), process.env.PATH ?? ''].join(delimiter)
const child = spawn(node, ['--conditions=@ct/source', join(root, args[0]), ...args.slice(1)], {
  stdio: 'inherit',
  env: { ...environment, PATH: path },
})
// A terminal sends its signals to the whole group; the program decides what they mean and this process outlives it.
process.on('SIGINT', () => undefined)
for (const signal of ['SIGTERM', 'SIGHUP']) process.on(signal, () => child.kill(signal))
child.on('exit', (code, signal) => {
  if (signal === null) process.exit(code ?? 1)
  process.removeAllListeners(signal)
  process.kill(process.pid, signal)
})
