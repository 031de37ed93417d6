// Infers the targets of every workspace package from what lies in its folder, so that a package carries no build
// configuration of its own. Plain JavaScript: Nx loads it with whatever Node it was started by.
import { existsSync, readFileSync, readdirSync, writeFileSync } from 'node:fs'
import { dirname, join, relative } from 'node:path'

const skipped = new Set(['node_modules', 'dist', '.venv'])

/** What a folder holds, by file suffix: `types` for any TypeScript, and the suites for which there are tests. */
function contentsOf(folder, found = new Set()) {
  for (const entry of readdirSync(folder, { withFileTypes: true })) {
    if (entry.isDirectory()) {
      if (!skipped.has(entry.name)) contentsOf(join(folder, entry.name), found)
      continue
    }
    if (entry.name.endsWith('.ts')) found.add('types')
    if (entry.name.endsWith('.conformance.test.ts')) found.add('conformance')
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
  const contents = contentsOf(folder)
  const targets = contents.size === 0 ? {} : { lint: program('lint-package.ts') }
  if (contents.delete('types') && existsSync(join(folder, 'tsconfig.json')))
    targets.types = program('check-types.ts')
  for (const suite of contents) {
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
  '{docs/project.json,{packages,tools}/*/package.json}',
  (files, _options, { workspaceRoot }) =>
    files.map((file) => {
      const root = dirname(file)
      const text = JSON.parse(readFileSync(join(workspaceRoot, file), 'utf8'))
      // The documentation is a project (its examples are checked and run), but no package.
      const manifest = root === 'docs' ? { ...text, private: true } : text
      // Everything here may be imported, also what has no `exports`; Nx would guess that such a package is an application.
      const project = { root, projectType: 'library', targets: targetsOf(root, workspaceRoot, manifest) }
      return [file, { projects: { [root]: project } }]
    }),
]

/** Nx prints how its tasks ended; `npm test` wants to know: it names a file in `CT_TASK_RESULTS`. */
export const postTasksExecution = (_options, { taskResults }) => {
  const file = process.env.CT_TASK_RESULTS
  if (file === undefined) return
  const ended = Object.values(taskResults).map(({ task, status, code }) => ({ id: task.id, status, code }))
  writeFileSync(file, JSON.stringify(ended))
}
