import { globSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { workspace } from './page.ts'

/** Members of the exported `…Options` interfaces, read from the sources: types are gone at run time. */
function optionNames(): string[] {
  const sources = globSync('packages/broker-redis/src/options/*.ts', { cwd: workspace }).map((path) =>
    readFileSync(join(workspace, path), 'utf8'),
  )
  const interfaces = sources.flatMap((source) => [
    ...source.matchAll(/^export interface Redis\w+Options [^{]*\{\n([\s\S]*?)^\}/gm),
  ])
  return interfaces.flatMap(([, body = '']) =>
    [...body.matchAll(/^ {2}readonly (\w+)\?:/gm)].map(([, name = '']) => name),
  )
}

it('docs/adapters/redis.md names every option of the Redis adapter', () => {
  const page = readFileSync(join(workspace, 'docs/adapters/redis.md'), 'utf8')
  const names = [...new Set(optionNames())]
  expect(names.length).toBeGreaterThan(30)
  expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([])
})
