import { afterEach, describe, expect, it, vi } from 'vitest'
import { memoryApp } from '../fixtures/run-ct.ts'
import { Session } from '../session.ts'
import { openLog } from './worker-log.ts'

afterEach(() => vi.unstubAllEnvs())

/** What a worker with these settings writes on a terminal, or not on one. */
async function written(
  settings: Parameters<typeof memoryApp>[0],
  { terminal = false, color = true } = {},
): Promise<string> {
  let text = ''
  const session = new Session({
    createApp: () => memoryApp(),
    version: '1',
    stderr: { isTTY: terminal, write: (line) => (text += line) },
  })
  session.begin({ color })
  await using app = memoryApp(settings)
  await using log = await openLog(app, session, { level: 20, format: 'text', logfile: undefined })
  log.logger.info('hello')
  log.logger.warn('slow', { taskName: 'add', taskId: '1' })
  return text
}

describe('the log of a worker', () => {
  it('SET-182, SET-196, D57-117: follows the formats of the settings, for its own lines and those of tasks', async () => {
    vi.stubEnv('TZ', 'UTC')
    const text = await written({
      workerLogFormat: '%(asctime)s %(levelname)s %(message)s',
      workerLogDatefmt: 'w%Y',
      workerTaskLogFormat: '%(asctime)s <%(task_name)s %(task_id)s> %(message)s',
      workerTaskLogDatefmt: 't%Y',
    })
    const year = new Date().getFullYear()
    expect(text).toBe(`w${year} INFO hello\nt${year} <add 1> slow\n`)
  })

  it('SET-182: a wrong format is told before the worker starts', async () => {
    await expect(written({ workerLogFormat: '%(levelnme)s' })).rejects.toMatchObject({
      code: 'CT_CONFIGURATION',
      message: expect.stringContaining('workerLogFormat') as string,
    })
  })

  it('SET-181: colours by setting, against what the stream is', async () => {
    vi.stubEnv('NO_COLOR', '')
    vi.stubEnv('FORCE_COLOR', '')
    vi.stubEnv('TERM', '')
    const red = '\x1b['
    expect(await written({}, { terminal: true })).toContain(red)
    expect(await written({ workerLogColor: false }, { terminal: true })).not.toContain(red)
    expect(await written({})).not.toContain(red)
    expect(await written({ workerLogColor: true })).toContain(red)
    expect(await written({ workerLogColor: true }, { color: false })).not.toContain(red)
  })
})
