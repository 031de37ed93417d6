import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { contractVersion } from '@ct/contracts'
import { adapterFinder } from './find-adapter.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ct-adapters-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function file(path: string, text: string | object): string {
  const full = join(root, path)
  mkdirSync(join(full, '..'), { recursive: true })
  writeFileSync(full, typeof text === 'string' ? text : JSON.stringify(text))
  return full
}

/** A package with an adapter, as its author would publish it: ESM, package.json not exported. */
function adapterPackage(
  name: string,
  options: { in?: string; schemes?: string[]; code?: string } = {},
): void {
  const folder = `${options.in ?? ''}node_modules/${name}`
  file(`${folder}/package.json`, { name, type: 'module', exports: './main.js', ct: { adapter: 'thing' } })
  const schemes = JSON.stringify(options.schemes ?? [name])
  file(
    `${folder}/main.js`,
    options.code ??
      `export const thing = { kind: 'adapter', name: '${name}', packageName: '${name}', contractVersion: '${contractVersion}',
        brokerSchemes: ${schemes}, backendSchemes: [] }`,
  )
}

const redis = { kind: 'broker', schemes: ['redis'] } as const

describe('finding adapters for bare URLs', () => {
  it('looks among the dependencies of the package.json nearest to the module', () => {
    file('package.json', { dependencies: { kafka: '*' } })
    file('service/package.json', { dependencies: { redis: '*' }, devDependencies: { left: '*' } })
    adapterPackage('redis', { in: 'service/' })
    adapterPackage('kafka')
    const find = adapterFinder(() => [join(root, 'service/src/tasks.ts')])
    expect(find(redis)?.packageName).toBe('redis')
    expect(find({ kind: 'broker', schemes: ['kafka'] })).toBeUndefined()
  })

  it('takes URLs, folders further up, and several places in order', () => {
    file('package.json', { devDependencies: { redis: '*' } })
    file('other/package.json', { dependencies: { redis: '*' } })
    adapterPackage('redis')
    adapterPackage('redis', { in: 'other/', schemes: ['rediss'] })
    const find = adapterFinder(() => [
      pathToFileURL(join(root, 'a/b/c.js')).href,
      join(root, 'other/package.json'),
    ])
    expect(find(redis)?.brokerSchemes).toEqual(['redis'])
  })

  it('prefers the more specific scheme whatever the order of the packages', () => {
    file('package.json', { dependencies: { general: '*', special: '*' } })
    adapterPackage('general', { schemes: ['db'] })
    adapterPackage('special', { schemes: ['db+sqlite'] })
    const find = adapterFinder(() => [join(root, 'main.ts')])
    expect(find({ kind: 'broker', schemes: ['db+sqlite', 'db'] })?.packageName).toBe('special')
    expect(find({ kind: 'broker', schemes: ['db+mysql', 'db'] })?.packageName).toBe('general')
  })

  it('loads nothing but packages that say they have an adapter', () => {
    file('package.json', { dependencies: { plain: '*', absent: '*', redis: '*' } })
    file('node_modules/plain/package.json', { name: 'plain', main: 'main.js' })
    file('node_modules/plain/main.js', 'throw new Error("loaded")')
    adapterPackage('redis')
    expect(adapterFinder(() => [join(root, 'main.ts')])(redis)?.packageName).toBe('redis')
  })

  it.each([
    ['has no such export', 'export const other = 1', /says in its package.json .*"thing", but there is none/],
    ['cannot be loaded', 'throw new Error("no driver")', /could not be loaded: no driver/],
    [
      'is of another contract version',
      `export const thing = { kind: 'adapter', name: 'redis', packageName: 'redis', contractVersion: '99.0', brokerSchemes: ['redis'], backendSchemes: [] }`,
      /made for contracts 99\.0/,
    ],
  ])('says so when the package %s', (_what, code, message) => {
    file('package.json', { dependencies: { redis: '*' } })
    adapterPackage('redis', { code })
    expect(() => adapterFinder(() => [join(root, 'main.ts')])(redis)).toThrow(message)
  })

  it('finds nothing where there is no package.json', () => {
    expect(adapterFinder(() => [join(root, 'main.ts')])(redis)).toBeUndefined()
  })
})
