import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterAll, describe, expect, it } from 'vitest'
import { ct } from '../fixtures/run-ct.ts'

const folder = mkdtempSync(join(tmpdir(), 'ct-multi-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

describe('WORK-108: ct multi stop', () => {
  it('signals nobody where the pid file names no process, and 0 least of all', async () => {
    const stop = ['multi', 'stop', '-0', 'a', '--hostname=h', `--pidfile=${folder}/%n.pid`] as const
    const down = { exitCode: 0, out: '> a@h: DOWN\n', err: '' }
    expect(await ct(...stop)).toEqual(down)
    for (const content of ['0\n', 'no number\n', '']) {
      writeFileSync(join(folder, 'a.pid'), content)
      expect(await ct(...stop)).toEqual(down)
    }
    writeFileSync(join(folder, 'a.pid'), `${process.pid}\n`)
    expect((await ct(...stop)).out).toBe(`> Stopping nodes...\n\t> a@h: 0 -> ${process.pid}\n`)
  })
})

it('WORK-105: ct multi start says which folder it cannot make, or what it cannot start', async () => {
  const file = join(folder, 'file')
  writeFileSync(file, '')
  const start = ['multi', 'start', 'a', '--hostname=h', `--logfile=${folder}/%n.log`] as const
  expect(await ct(...start, `--pidfile=${file}/run/%n.pid`)).toMatchObject({
    exitCode: 73,
    err: expect.stringMatching(/^The folder \S+file\/run of --pidfile cannot be made: .*--pidfile=.*\n$/),
  })
  expect(await ct(...start, `--pidfile=${folder}/%n.pid`, '--executable=/does/not/exist')).toMatchObject({
    exitCode: 1,
    out: expect.stringContaining('\t> a@h: FAILED'),
    err: expect.stringMatching(/^\/does\/not\/exist could not be started: .*ENOENT\n$/),
  })
})
