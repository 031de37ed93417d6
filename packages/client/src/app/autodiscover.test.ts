import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { pathToFileURL } from 'node:url'
import { afterAll, describe, expect, it } from 'vitest'
import { createApp, type Logger } from '../index.ts'

const silent: Logger = {
  debug: () => {},
  info: () => {},
  warn: () => {},
  error: () => {},
  critical: () => {},
  child: () => silent,
}
const folder = mkdtempSync(join(tmpdir(), 'ct-discover-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

const seen = ((globalThis as { ctDiscovered?: string[] }).ctDiscovered = [])
for (const [name, file, text] of [
  ['billing', 'tasks.mjs', 'globalThis.ctDiscovered.push("billing")'],
  ['mail', 'jobs.mjs', 'globalThis.ctDiscovered.push("mail")'],
  ['bare', 'other.mjs', ''],
  ['broken', 'tasks.mjs', 'import "./not-there.mjs"'],
  ['whole', 'index.mjs', 'globalThis.ctDiscovered.push("whole")'],
] as const) {
  mkdirSync(join(folder, name))
  writeFileSync(join(folder, name, file), text)
}
const at = (name: string): string => join(folder, name)

describe('APP-59: discovery of tasks', () => {
  it('imports the related modules when modules are imported, each once; what has none is passed over', async () => {
    seen.length = 0
    const app = createApp({ logger: silent })
    await app.autodiscoverTasks([at('billing'), pathToFileURL(at('bare')), '@ct/contracts'])
    await app.autodiscoverTasks(() => [pathToFileURL(at('mail'))], { relatedName: 'jobs' })
    await app.autodiscoverTasks([at('whole')], { relatedName: null })
    expect(seen).toEqual([])
    const urls = await app.importModules()
    expect(seen).toEqual(['billing', 'mail', 'whole'])
    expect(urls).toEqual(
      ['billing/tasks.mjs', 'mail/jobs.mjs', 'whole/index.mjs'].map((one) => pathToFileURL(at(one)).href),
    )
    expect(await app.importModules()).toBe(urls)
  })

  it('force imports at once', async () => {
    const app = createApp({ logger: silent })
    const { length } = seen
    await app.autodiscoverTasks([at('billing')], { relatedName: 'tasks', force: true })
    // Node has it already: a module runs once.
    expect(seen).toHaveLength(length)
    expect(await app.importModules()).toEqual([pathToFileURL(at('billing/tasks.mjs')).href])
  })

  it('an error inside of a module, and a package that is not there, end it', async () => {
    const app = createApp({ logger: silent })
    await app.autodiscoverTasks([at('broken')])
    await expect(app.importModules()).rejects.toThrow(/not-there/)
    const other = createApp({ logger: silent })
    await other.autodiscoverTasks(['no-such-package-anywhere'])
    await expect(other.importModules()).rejects.toMatchObject({ code: 'CT_CONFIGURATION' })
  })

  it('SIG-16: importModules comes first, and what its handlers throw ends it', async () => {
    const app = createApp({ logger: silent })
    app.signals.importModules.connect(async ({ sender }) => {
      await Promise.resolve()
      sender.task('late.add', (x: number) => x)
    })
    await app.importModules()
    expect(app.tasks.has('late.add')).toBe(true)
    const other = createApp({ logger: silent })
    other.signals.importModules.connect(() => {
      throw new Error('no licence')
    })
    await expect(other.importModules()).rejects.toThrow('no licence')
  })
})
