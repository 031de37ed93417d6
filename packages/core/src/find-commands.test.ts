import { mkdirSync, mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, expect, it } from 'vitest'
import { findCommands } from './find-commands.ts'

let root: string
beforeEach(() => {
  root = mkdtempSync(join(tmpdir(), 'ct-commands-'))
})
afterEach(() => rmSync(root, { recursive: true, force: true }))

function commandPackage(name: string, code: string): void {
  const folder = join(root, 'node_modules', name)
  mkdirSync(folder, { recursive: true })
  const manifest = { name, type: 'module', exports: './main.js', ct: { commands: 'commands' } }
  writeFileSync(join(folder, 'package.json'), JSON.stringify(manifest))
  writeFileSync(join(folder, 'main.js'), code)
}

it('CLI-5: commands of the packages that are depended on; what cannot be loaded is told', async () => {
  const dependencies = { hello: '*', broken: '*', empty: '*', nameless: '*', missing: '*' }
  writeFileSync(join(root, 'package.json'), JSON.stringify({ dependencies }))
  commandPackage('hello', "export const commands = [{ name: 'hello', description: 'says it', run() {} }]")
  commandPackage('broken', "throw new Error('no licence')")
  commandPackage('empty', 'export const other = 1')
  commandPackage('nameless', 'export const commands = [{ run() {} }]')
  commandPackage('unrelated', "export const commands = [{ name: 'unrelated', run() {} }]")
  const told: string[] = []
  const found = await findCommands(
    (text) => told.push(text),
    () => [join(root, 'package.json')],
  )
  expect(found.map(({ name }) => name)).toEqual(['hello'])
  expect(told).toEqual([
    'The commands of broken are left out: no licence',
    'The commands of empty are left out: its export "commands" is no list of commands',
    'The commands of nameless are left out: a command has no name, or nothing to run',
  ])
})
