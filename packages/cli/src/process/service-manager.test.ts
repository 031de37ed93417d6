import { chmodSync, existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { delimiter, join } from 'node:path'
import { afterAll, afterEach, beforeEach, expect, it } from 'vitest'
import { serviceManager } from './service-manager.ts'

const folder = mkdtempSync(join(tmpdir(), 'ct-systemd-'))
const path = process.env['PATH']
const heard = join(folder, 'heard')
const said: string[] = []

/** Writes down what it is called with; fails while there is a file `busy`. */
function install(): void {
  const program = join(folder, 'systemd-notify')
  writeFileSync(program, `#!/bin/sh\n[ -e '${folder}/busy' ] && exit 1\necho "$*" >> '${heard}'\n`)
  chmodSync(program, 0o755)
}

beforeEach(() => {
  said.length = 0
  process.env['PATH'] = `${folder}${delimiter}${path}`
})
afterEach(() => {
  process.env['PATH'] = path
  rmSync(heard, { force: true })
})
afterAll(() => rmSync(folder, { recursive: true, force: true }))

it('FW-86: a call that failed is told once and the next one is made all the same', async () => {
  install()
  const manager = serviceManager((text) => said.push(text), { NOTIFY_SOCKET: '/run/x' })!
  writeFileSync(join(folder, 'busy'), '')
  await manager.ready('one')
  await manager.ready('two')
  rmSync(join(folder, 'busy'))
  await manager.ready('three')
  expect(said).toEqual([expect.stringContaining('systemd is not told')])
  expect(readFileSync(heard, 'utf8')).toContain('READY=1 STATUS=three')
})

it('FW-86: without the program it is not tried again', async () => {
  process.env['PATH'] = join(folder, 'nowhere')
  const manager = serviceManager((text) => said.push(text), { NOTIFY_SOCKET: '/run/x' })!
  await manager.ready('one')
  install()
  process.env['PATH'] = `${folder}${delimiter}${path}`
  await manager.ready('two')
  expect([said.length, existsSync(heard)]).toEqual([1, false])
})
