import { Readable } from 'node:stream'
import { stripVTControlCharacters } from 'node:util'
import { expect, it } from 'vitest'
import { ctWith, memoryApp, type Ran } from '../fixtures/run-ct.ts'

async function shell(lines: readonly string[], ...argv: readonly string[]): Promise<Ran> {
  const app = memoryApp({ name: 'proj', broker: 'memory://shell', environment: {} })
  app.task('proj.add', (x: number, y: number) => x + y)
  app.task('proj.Map', () => null)
  const stdin = Readable.from(lines.map((line) => `${line}\n`))
  const ran = await ctWith({ app: { app, module: undefined }, stdin }, 'shell', ...argv)
  // Whoever runs the tests may ask for colours.
  return { ...ran, out: stripVTControlCharacters(ran.out) }
}

it('CLI-33: the app, its tasks and the canvas are in scope; an error ends nothing', async () => {
  const ran = await shell([
    'app === celery',
    'add.name',
    'chain(add.s(1, 1), add.s(2)).constructor.name',
    'signature("proj.add").task',
    'throw new Error("on we go")',
    'Map === globalThis.Map',
    '.exit',
  ])
  expect(ran.exitCode).toBe(0)
  expect(ran.out).toContain('In scope: app, celery, chain, group, chord, signature, add.')
  const answers = ran.out.split('\n').slice(1)
  expect(answers.slice(0, 4)).toEqual(['true', "'proj.add'", "'Chain'", "'proj.add'"])
  expect(ran.out).toContain('Error: on we go')
  expect(answers.filter((line) => line === 'true')).toHaveLength(2)
})

it('CLI-33: --without-tasks', async () => {
  const ran = await shell(['typeof add', 'typeof group'], '-T')
  expect(ran.out).toContain("'undefined'\n'function'")
})
