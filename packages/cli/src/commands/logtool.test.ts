import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { Readable } from 'node:stream'
import { memoryBackend, memoryBroker } from '@ct/broker-memory'
import { createApp } from '@ct/client'
import { createWorker } from '@ct/worker'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { ct, ctWith } from '../fixtures/run-ct.ts'
import { createStreamLogger } from '../output/log.ts'
import { createStyle } from '../output/style.ts'

const folder = mkdtempSync(join(tmpdir(), 'ct-logtool-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What a worker really writes of two tasks that succeed, one that fails and one that never ends. */
async function logOf(
  format: 'text' | 'coloured text' | 'json',
): Promise<{ readonly log: string; readonly left: string }> {
  let log = ''
  const hub = { name: `logtool-${format}` }
  const logger = createStreamLogger({
    level: 20,
    format: format === 'json' ? 'json' : 'text',
    style: createStyle({}, { color: format === 'coloured text', always: true }),
    write: (line) => (log += line),
  })
  await using app = createApp({
    name: 'proj',
    broker: memoryBroker(hub),
    backend: memoryBackend(hub),
    logger,
    environment: {},
  })
  const add = app.task('proj.add', (x: number, y: number) => x + y)
  const fail = app.task('proj.fail', () => {
    throw new RangeError('too far')
  })
  const begun = Promise.withResolvers<void>()
  const wait = app.task('proj.wait', () => {
    begun.resolve()
    return new Promise(() => {})
  })
  const worker = createWorker(app, { withoutMingle: true, concurrency: 4 })
  await worker.start()
  logger.warn('about no task')
  await (await add.delay(1, 1)).get({ timeoutMs: 20_000 })
  await (await add.delay(2, 2)).get({ timeoutMs: 20_000 })
  await (await fail.delay()).get({ timeoutMs: 10_000, propagate: false })
  const left = await wait.delay()
  await begun.promise
  const written = log
  await worker.stop({ mode: 'cold' })
  return { log: written, left: left.id }
}

describe.each(['text', 'coloured text', 'json'] as const)('CLI-34: ct logtool, of %s', (format) => {
  let log: string
  let left: string
  beforeAll(async () => {
    const written = await logOf(format)
    log = written.log
    left = written.left
  })
  const tool = async (what: string): Promise<string> =>
    (await ctWith({ stdin: Readable.from([log]) }, 'logtool', what)).out

  it('stats, incomplete, errors', async () => {
    expect(await tool('stats')).toBe(
      [
        'Report\n======',
        'Task total: 4\nTask errors: 1\nTask success: 2\nTask completed: 3',
        'Tasks\n=====\nproj.add: 2\nproj.fail: 1\nproj.wait: 1\n',
      ].join('\n'),
    )
    expect(await tool('incomplete')).toBe(`Did not complete: ${left} (proj.wait)\n`)
    expect(await tool('errors')).toMatch(/^[^\n]*Task proj\.fail\[[^\n]+too far[^\n]*\n$/)
  })

  it('debug, traces', async () => {
    const debug = await tool('debug')
    expect(debug).toContain('about no task')
    expect(debug).not.toContain('Task proj.')
    // A line of JSON holds its traceback.
    const traces = await tool('traces')
    expect(traces === '').toBe(format === 'json')
    expect(format === 'json' || traces.includes('RangeError')).toBe(true)
  })
})

it('CLI-34: of several files, those that can be read are, up to the one that cannot', async () => {
  const long = join(folder, 'long.log')
  const line = '[2026-11-24 03:30:57,123: INFO/MainProcess] about no task\n'
  writeFileSync(long, line.repeat(20_000))
  const ran = await ct('logtool', 'debug', long, join(folder, 'none.log'))
  expect([ran.exitCode, ran.err]).toEqual([1, expect.stringContaining('none.log')])
  expect(ran.out.length).toBe(line.length * 20_000)
})

it('CLI-34: a file that is not there is said', async () => {
  const ran = await ct('logtool', 'stats', '/does/not/exist.log')
  expect([ran.exitCode, ran.err]).toEqual([1, expect.stringContaining('/does/not/exist.log')])
})
