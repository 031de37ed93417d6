/**
 * The canaries of the module boundaries. `@nx/enforce-module-boundaries` passes everything when it finds no project graph, or tags
 * it does not know; so each rule of "who may import whom" has an import here that must be refused, and one that must not.
 */
import { readdirSync, readFileSync } from 'node:fs'
import { join } from 'node:path'
import { ESLint } from 'eslint'
import { describe, expect, it } from 'vitest'
import { sourceConstraints } from './boundaries.ts'

const root = join(import.meta.dirname, '../..')
const eslint = new ESLint({ cwd: root, overrideConfigFile: join(import.meta.dirname, 'eslint.config.mjs') })

async function complaints(path: string, code: string): Promise<string[]> {
  const [result] = await eslint.lintText(code, { filePath: join(root, path) })
  return (result?.messages ?? []).map(({ ruleId, message }) => `${ruleId}: ${message}`)
}

const importing = (name: string): string => `import * as x from '${name}'\nconsole.log(x)\n`

describe('module boundaries refuse', () => {
  it.each([
    ['contracts', '@ct/client'],
    ['client', '@ct/worker'],
    ['client', '@ct/broker-memory'],
    ['client', '@ct/testing'],
    ['worker', '@ct/broker-redis'],
    ['worker', '@ct/core'],
    ['cli', '@ct/core'],
    ['core', '@ct/testing'],
    ['broker-memory', '@ct/client'],
    ['broker-memory', '@ct/testing'],
    ['broker-redis', '@ct/broker-memory'],
    ['broker-redis', '@ct/worker'],
    ['testing', '@ct/core'],
  ])('%s → %s', async (from, to) => {
    const found = await complaints(`packages/${from}/src/canary.ts`, importing(to))
    expect(found.join('\n')).toMatch(/^@nx\/enforce-module-boundaries: .*(can only|cannot) depend on/)
  })

  it('a package’s insides by relative path', async () => {
    const found = await complaints('packages/client/src/canary.ts', importing('../../contracts/src/index.ts'))
    expect(found.join('\n')).toContain('cannot be imported by a relative or absolute path')
  })

  it('an adapter that imports a type of the client', async () => {
    const code = `import type { App } from '@ct/client'\nexport type { App }\n`
    expect(await complaints('packages/broker-redis/src/canary.ts', code)).toHaveLength(1)
  })
})

describe('module boundaries allow', () => {
  it.each([
    ['packages/client/src/canary.ts', '@ct/contracts'],
    ['packages/client/src/canary.ts', './index.ts'],
    ['packages/broker-redis/src/deep/canary.ts', '../index.ts'],
    ['packages/worker/src/canary.ts', '@ct/client'],
    ['packages/broker-redis/src/canary.ts', '@ct/contracts/broker-kit'],
    ['packages/broker-redis/src/canary.conformance.test.ts', '@ct/testing'],
    ['packages/broker-redis/src/canary.conformance.test.ts', '@ct-tools/services'],
    ['packages/worker/src/canary.test.ts', '@ct/broker-memory'],
    ['packages/core/src/canary.ts', '@ct/broker-memory'],
  ])('%s → %s', async (path, to) => {
    expect(await complaints(path, importing(to))).toEqual([])
  })
})

it('every package carries a kind that the boundaries know', () => {
  const known = new Set(sourceConstraints.map(({ sourceTag }) => sourceTag))
  for (const group of ['packages', 'tools']) {
    for (const name of readdirSync(join(root, group))) {
      const manifest = JSON.parse(readFileSync(join(root, group, name, 'package.json'), 'utf8')) as {
        nx?: { tags?: string[] }
      }
      expect(
        manifest.nx?.tags?.filter((tag) => known.has(tag)),
        `${group}/${name}`,
      ).toHaveLength(1)
    }
  }
})
