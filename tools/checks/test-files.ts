/** Where tests are: their files, and the features that a title names. */
import { globSync } from 'node:fs'
import { join } from 'node:path'

export const root = join(import.meta.dirname, '../..')

/** Relative to the top folder, sorted. Suites of `@ct/testing` are run by others' tests. */
export function testFiles(): string[] {
  return globSync(
    ['packages/*/{src,test}/**/*.{test,test-d}.ts', 'tools/*/**/*.test.ts', 'packages/testing/src/**/*.ts'],
    {
      cwd: root,
      exclude: (name) => name.includes('node_modules') || name.includes('dist'),
    },
  ).sort()
}

export interface Mention {
  readonly id: string
  /** One of several: `BACK-31…35`. */
  readonly inRange: boolean
}

/** IDs such as `TASK-12`, and all of a range such as `BACK-31…35`. */
export function mentionsIn(title: string, prefixes: readonly string[]): Mention[] {
  const mention = new RegExp(
    `\\b(${prefixes.join('|')})-(\\d+)(?:(?:…|\\.\\.\\.?|–)(?:[A-Z]+\\d*-)?(\\d+))?`,
    'g',
  )
  const found: Mention[] = []
  for (const [, prefix, from, to] of title.matchAll(mention))
    for (let n = Number(from); n <= Number(to ?? from); n++)
      found.push({ id: `${prefix}-${n}`, inRange: to !== undefined })
  return found
}
