import { readFileSync } from 'node:fs'
import { join } from 'node:path'
import { expect, it } from 'vitest'
import { workspace } from './page.ts'

/** Members of the exported `…Options` interfaces, read from the sources: types are gone at run time. */
function optionNames(path: string): string[] {
  const source = readFileSync(join(workspace, 'packages/broker-amqp/src', path), 'utf8')
  return [...source.matchAll(/^export interface \w+Options [^{]*\{\n([\s\S]*?)^\}/gm)].flatMap(
    ([, body = '']) => [...body.matchAll(/^ {2}readonly (\w+)\?:/gm)].map(([, name = '']) => name),
  )
}

it('docs/adapters/rabbitmq.md names every option of the AMQP adapter', () => {
  const page = readFileSync(join(workspace, 'docs/adapters/rabbitmq.md'), 'utf8')
  const files = ['options/broker-options.ts', 'options/tls.ts', 'rpc/backend.ts']
  const names = [...new Set(files.flatMap(optionNames))]
  expect(names.length).toBeGreaterThan(25)
  expect(names.filter((name) => !page.includes(`\`${name}\``))).toEqual([])
})
