import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { workspace } from './page.ts'

const read = (path: string): string => readFileSync(join(workspace, path), 'utf8')
const names = globSync('packages/*/package.json', { cwd: workspace })
  .map((path) => JSON.parse(read(path)) as { readonly name: string; readonly private?: boolean })
  .flatMap((manifest) => (manifest.private === true ? [] : [manifest.name]))
  .sort()

/** The packages in the first column of the table below the heading "Packages". */
function tabled(page: string): string[] {
  const [, section = ''] = /^## Packages\n([\s\S]*?)(?=^## )/m.exec(read(page)) ?? []
  return [...section.matchAll(/^\|([^|]*)\|/gm)]
    .flatMap(([, cell = '']) => [...cell.matchAll(/`(@ct\/[\w-]+)`/g)].map(([, name = '']) => name))
    .sort()
}

describe('packages', () => {
  it.each(['README.md', 'docs/architecture.md'])('%s lists each of them once', (page) => {
    expect(tabled(page)).toEqual(names)
  })

  it.each(names)('%s has a README with an example', (name) => {
    const readme = read(`packages/${name.slice('@ct/'.length)}/README.md`)
    expect(readme).toMatch(new RegExp(`^# ${name}$`, 'm'))
    expect(readme).toMatch(/^```(?:ts|console)/m)
  })
})
