import { existsSync, mkdtempSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { afterEach, beforeEach, describe, expect, it } from 'vitest'
import { ct } from '../fixtures/run-ct.ts'

let folder: string
beforeEach(() => {
  folder = mkdtempSync(join(tmpdir(), 'ct-upgrade-'))
})
afterEach(() => rmSync(folder, { recursive: true, force: true }))

const file = (name: string, text: string): string => {
  const path = join(folder, name)
  writeFileSync(path, text)
  return path
}
const old = ['CELERYD_CONCURRENCY', 'CELERY_TASK_SERIALIZER', 'MY_CELERYD_CONCURRENCY', 'OTHER']
const module = `export default { ${old.map((name) => `${name}: 1`).join(', ')} }\n`

describe('CLI-35: ct upgrade settings', () => {
  it.each([
    ['settings.ts', [], ['workerConcurrency', 'taskSerializer']],
    ['celeryconfig.py', [], ['worker_concurrency', 'task_serializer']],
    ['settings.py', ['--django'], ['CELERY_WORKER_CONCURRENCY', 'CELERY_TASK_SERIALIZER']],
  ] as const)('%s %j', async (name, options, [concurrency, serializer]) => {
    const path = file(name, module)
    const ran = await ct('upgrade', 'settings', path, ...options)
    expect(ran.exitCode).toBe(0)
    expect(ran.out).toContain(`CELERYD_CONCURRENCY → ${concurrency}\n`)
    expect(readFileSync(path, 'utf8')).toBe(
      `export default { ${[concurrency, serializer, ...old.slice(2)].map((one) => `${one}: 1`).join(', ')} }\n`,
    )
    expect(readFileSync(`${path}.orig`, 'utf8')).toBe(module)
    expect((await ct('upgrade', 'settings', path, ...options)).out).toContain('nothing to change')
  })

  it('keeps no copy where none is wanted, and says what is not there', async () => {
    const path = file('a.json', '{"CELERYD_CONCURRENCY": 2}')
    await ct('upgrade', 'settings', path, '--no-backup')
    expect(readFileSync(path, 'utf8')).toBe('{"workerConcurrency": 2}')
    expect(existsSync(`${path}.orig`)).toBe(false)
    expect((await ct('upgrade', 'settings', join(folder, 'nothing'))).exitCode).toBe(2)
  })
})
