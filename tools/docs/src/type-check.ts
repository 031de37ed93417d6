import { spawnSync } from 'node:child_process'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import type { FileStep, Page } from './page.ts'
import { workspace } from './page.ts'
import { projectFolder, slugOf, writeInto } from './project-folder.ts'

/** Compiles the examples of all pages with the strictest options, in one run. Resolves to errors, in terms of the pages. */
export function typeErrors(pages: readonly Page[]): string[] {
  const root = projectFolder('types')
  const origins = new Map<string, { page: Page; step: FileStep }>()
  for (const page of pages) {
    for (const [index, files] of versions(page).entries()) {
      for (const step of files.values()) {
        const name = `${slugOf(page)}.${index}/${step.name}`
        writeInto(root, name, step.text)
        origins.set(name, { page, step })
      }
    }
  }
  writeFileSync(
    join(root, 'tsconfig.json'),
    JSON.stringify({
      extends: join(workspace, 'tools/build/tsconfig.base.json'),
      compilerOptions: {
        allowJs: true,
        checkJs: true,
        typeRoots: [join(workspace, 'node_modules/@types')],
        // A reader need not use everything an example defines.
        noUnusedLocals: false,
        noUnusedParameters: false,
      },
      include: ['*/**/*'],
      exclude: ['node_modules'],
    }),
  )
  const tsc = join(workspace, 'node_modules/typescript/bin/tsc')
  const { stdout, status } = spawnSync(process.execPath, [tsc, '--project', '.', '--pretty', 'false'], {
    cwd: root,
    encoding: 'utf8',
  })
  if (status === 0) return []
  return stdout
    .trimEnd()
    .split('\n')
    .map((line) =>
      line.replace(/^([^\s(][^(]*)\((\d+),/, (all, name: string, at: string) => {
        const origin = origins.get(name)
        return origin === undefined
          ? all
          : `${origin.page.path}:${origin.step.line + Number(at) - 1} (${origin.step.name}, `
      }),
    )
}

/** The project as it stands whenever a file is about to be replaced, and at the end. */
function versions(page: Page): Map<string, FileStep>[] {
  const done: Map<string, FileStep>[] = []
  let files = new Map<string, FileStep>()
  for (const step of page.steps) {
    if (step.kind !== 'file') continue
    if (files.has(step.name)) {
      done.push(files)
      files = new Map(files)
    }
    files.set(step.name, step)
  }
  return files.size === 0 ? done : [...done, files]
}
