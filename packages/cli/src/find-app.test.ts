import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { CommandFailure } from './exit-codes.ts'
import { findApp, locateModule } from './find-app.ts'

const fixtures = join(import.meta.dirname, 'fixtures')

async function failure(name: string): Promise<CommandFailure> {
  const error: unknown = await findApp(name, fixtures).catch((thrown: unknown) => thrown)
  expect(error).toBeInstanceOf(CommandFailure)
  return error as CommandFailure
}

describe('CLI-3: finding the app', () => {
  it.each([
    ['./named-app.ts', 'named'],
    ['named-app', 'named'],
    ['named-app.ts:other', 'other'],
    ['named-app:other', 'other'],
    ['./plain-app.js', 'plain'],
    [join(fixtures, 'two-apps.ts:two'), 'two'],
  ])('%s is the app %s', async (name, expected) => {
    const { app, module } = await findApp(name, fixtures)
    expect(app.name).toBe(expected)
    expect(module).toMatch(/^file:.*fixtures\/.*(app|apps)\.(ts|js)$/)
  })

  it('tells where the module is before it runs', async () => {
    const seen: string[] = []
    await findApp('./named-app.ts', fixtures, (url) => seen.push(url))
    expect(seen).toEqual([expect.stringMatching(/^file:.*named-app\.ts$/)])
  })

  it('says what was tried', async () => {
    const { message, exitCode } = await failure('tasks')
    expect(exitCode).toBe(2)
    expect(message).toContain(join(fixtures, 'tasks (also .ts .mts'))
    expect(message).toContain(join(fixtures, 'tasks/index'))
    expect(message).toContain('package tasks')
    expect(message).toContain('ct worker -A ./tasks.ts')
  })

  it('does not try other endings where one is given', async () => {
    const { message } = await failure('./tasks.ts')
    expect(message).toContain(`Tried:\n  ${join(fixtures, 'tasks.ts')}\n`)
  })

  it('names the exports where the attribute is wrong', async () => {
    expect((await failure('named-app.ts:nope')).message).toMatch(/It exports: .*notAnApp/)
    expect((await failure('named-app.ts:notAnApp')).message).toContain('has no app called "notAnApp"')
  })

  it('asks which one where there are several, and for one where there is none', async () => {
    expect((await failure('two-apps.ts')).message).toContain('Say which one: -A two-apps.ts:name')
    expect((await failure('no-app.ts')).message).toContain('export const app = createApp')
  })

  it('shows why a module could not be loaded', async () => {
    const { message, exitCode } = await failure('broken.ts')
    expect(exitCode).toBe(1)
    expect(message).toContain('this module is broken')
    expect(message).toContain('fixtures/broken.ts')
  })

  it('finds packages by name', () => {
    expect(locateModule('commander', fixtures, '--include')).toMatch(/^file:.*commander/)
  })
})
