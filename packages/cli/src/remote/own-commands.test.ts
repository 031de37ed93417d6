import { fileURLToPath } from 'node:url'
import { createWorker, type Worker } from '@ct/worker'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { app } from '../fixtures/own-commands.ts'
import { ctWith } from '../fixtures/run-ct.ts'

const file = fileURLToPath(new URL('../fixtures/own-commands.ts', import.meta.url))
let worker: Worker

const ct = (...argv: readonly string[]) => ctWith({}, '-A', file, ...argv)

beforeAll(async () => {
  worker = createWorker(app, { hostname: 'own@h', withoutMingle: true })
  await worker.start()
})
afterAll(async () => {
  await worker.stop()
})

// The command closes the app that it found, which is the worker's here: what is asked is asked once.
describe('commands of the user’s own', () => {
  it('CTRL-13, CLI-24, CLI-25: are listed, checked and sent with their arguments', async () => {
    const close = app.close.bind(app)
    app.close = () => Promise.resolve()
    try {
      const list = await ct('control', '--list')
      expect(list.out).toMatch(/^set_level +set the level$/m)
      expect((await ct('inspect', '--list')).out).not.toContain('secret')
      const to = ['-d', 'own@h', '-j']
      expect(JSON.parse((await ct('control', ...to, 'set_level', 'debug', '3')).out)).toEqual({
        'own@h': { ok: 'own@h debug 3' },
      })
      expect(JSON.parse((await ct('control', ...to, 'level', 'info')).out)).toEqual({
        'own@h': { ok: 'own@h info undefined' },
      })
      expect(JSON.parse((await ct('inspect', ...to, 'words', 'a', 'b')).out)).toEqual({ 'own@h': ['a', 'b'] })
      for (const [argv, message] of [
        [['set_level'], /needs level/],
        [['set_level', 'a', 'b'], /after is "b"/],
        [['set_level', 'a', '1', 'c'], /takes 2 arguments/],
        [['words'], /no command "words"/],
      ] as const) {
        const { exitCode, err } = await ct('control', ...argv)
        expect([exitCode, err]).toEqual([2, expect.stringMatching(message)])
      }
    } finally {
      app.close = close
    }
  })
})
