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
