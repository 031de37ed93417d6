// Infers the targets of every workspace package from what lies in its folder, so that a package carries no build
// configuration of its own. Plain JavaScript: Nx loads it with whatever Node it was started by.
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

const skipped = new Set(['node_modules', 'dist', '.venv'])

/** Which kinds of test a folder holds, by file suffix. */
function suitesIn(folder, found = new Set()) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) {
      if (!skipped.has(entry.name)) suitesIn(join(folder, entry.name), found)
    } else if (entry.name.endsWith('.conformance.test.ts')) found.add('conformance')
    else if (entry.name.endsWith('.interop.test.ts')) found.add('interop')
    else if (entry.name.endsWith('.test.ts')) found.add('unit')
  }
  return found
}

function targetsOf(root, workspaceRoot, manifest) {
  const folder = join(workspaceRoot, root)
  const tools = relative(folder, join(workspaceRoot, 'tools/build')).replaceAll('\\', '/') || '.'
  const slug = root.replaceAll('/', '-')
  const program = (file, ...args) => ({
    executor: 'nx:run-commands',
    options: { command: ['node', `${tools}/${file}`, ...args].join(' '), cwd: root },
  })
  const targets = { lint: program('lint-package.ts') }
  if (existsSync(join(folder, 'tsconfig.json'))) targets.types = program('check-types.ts')
  for (const suite of suitesIn(folder)) {
    targets[suite] = {
      ...program('run-suite.ts', suite),
      outputs: [`{workspaceRoot}/.test-results/${suite}/${slug}.json`],
    }
  }
  if (manifest.private !== true) {
    // A build needs the declarations of what the package imports, never of what only its tests import.
    const needed = Object.entries({ ...manifest.dependencies, ...manifest.peerDependencies })
      .filter(([, range]) => range.startsWith('workspace:'))
      .map(([name]) => name)
    targets.build = {
      ...program('build-package.ts'),
      dependsOn: needed.map((name) => ({ projects: [name], target: 'build' })),
    }
    targets.pack = {
      ...program('pack-package.ts'),
      outputs: [`{workspaceRoot}/.test-results/pack/${slug}.tgz`],
    }
  }
  return targets
}

export const name = 'ct-targets'

export const createNodes = [
  '{docs,packages/*,tools/*}/package.json',
  (files, _options, { workspaceRoot }) =>
    files.map((file) => {
      const root = dirname(file)
      const manifest = JSON.parse(readFileSync(join(workspaceRoot, file), 'utf8'))
      return [file, { projects: { [root]: { root, targets: targetsOf(root, workspaceRoot, manifest) } } }]
    }),
]

/** Nx prints how its tasks ended; `npm test` wants to know: it names a file in `CT_TASK_RESULTS`. */
export const postTasksExecution = (_options, { taskResults }) => {
  const file = process.env.CT_TASK_RESULTS
  if (file === undefined) return
  const ended = Object.values(taskResults).map(({ task, status, code }) => ({ id: task.id, status, code }))
  writeFileSync(file, JSON.stringify(ended))
}
