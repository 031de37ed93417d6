import { describe, expect, it, vi } from 'vitest'
import { createStreamLogger, logLevels, parseLogLevel } from './log.ts'
import { createStyle } from './style.ts'
import { formatTable } from './table.ts'

const plain = createStyle({}, { color: false })

function lines(options: Partial<Parameters<typeof createStreamLogger>[0]> = {}): {
  readonly written: string[]
  readonly logger: ReturnType<typeof createStreamLogger>
} {
  const written: string[] = []
  const logger = createStreamLogger({
    level: logLevels.INFO,
    format: 'text',
    style: plain,
    write: (line) => void written.push(line),
    now: () => Date.UTC(2026, 10, 24, 3, 30, 57, 123),
    ...options,
  })
  return { written, logger }
}

describe('log', () => {
  it('WORK-22: writes lines as Celery does', () => {
    vi.stubEnv('TZ', 'UTC')
    const { written, logger } = lines()
    logger.info('Task add[1] received', { taskName: 'add', taskId: '1', rootId: '0' })
    logger.child({ taskName: 'add', taskId: '1', rootId: '0' }).warn('slow')
    logger.debug('not wanted')
    expect(written).toEqual([
      '[2026-11-24 03:30:57,123: INFO/MainProcess] Task add[1] received\n',
      '[2026-11-24 03:30:57,123: WARNING/MainProcess] add[1]: slow\n',
    ])
  })

  it('shows tracebacks, and other fields behind the message', () => {
    const { written, logger } = lines()
    logger.error('failed', { traceback: 'Traceback:\n  boom\n', queue: 'celery' })
    expect(written[0]).toMatch(/ERROR\/MainProcess\] failed \{"queue":"celery"\}\nTraceback:\n {2}boom\n$/)
  })

  it('writes one JSON object per line', () => {
    const { written, logger } = lines({ format: 'json' })
    logger.error('failed', { error: new TypeError('boom'), count: 2n ** 60n })
    expect(written).toHaveLength(1)
    expect(JSON.parse(written[0]!)).toMatchObject({
      time: '2026-11-24T03:30:57.123Z',
      level: 'ERROR',
      message: 'failed',
      error: { name: 'TypeError', message: 'boom' },
      count: '1152921504606846976',
    })
    expect(written[0]!.indexOf('\n')).toBe(written[0]!.length - 1)
  })

  it.each(['text', 'json'] as const)('writes what cannot be written as JSON all the same: %s', (format) => {
    const { written, logger } = lines({ format })
    const itself: Record<string, unknown> = {}
    itself['itself'] = itself
    const stubborn = {
      toJSON() {
        throw new Error('not me')
      },
    }
    logger.warn('odd', { itself, stubborn, queue: 'celery' })
    const [, fields] = /(\{.*\})\n$/.exec(written[0]!)!
    expect(JSON.parse(fields!)).toMatchObject({
      itself: expect.stringContaining('Circular'),
      stubborn: expect.any(String),
      queue: 'celery',
    })
    expect(written[0]!.indexOf('\n')).toBe(written[0]!.length - 1)
  })

  it('fields that are called as parts of a line are do not take their place', () => {
    const { written, logger } = lines({ format: 'json' })
    logger.info('saved', { message: 'of the customer', level: 3, time: 5 })
    expect(JSON.parse(written[0]!)).toEqual({
      time: '2026-11-24T03:30:57.123Z',
      level: 'INFO',
      message: 'saved',
      message_: 'of the customer',
      level_: 3,
      time_: 5,
    })
  })

  it('says whether a line is wanted', () => {
    const { logger } = lines({ level: logLevels.WARNING })
    expect([logger.isEnabled?.('info'), logger.isEnabled?.('debug')]).toEqual([false, false])
    expect(lines({ level: logLevels.DEBUG }).logger.isEnabled?.('debug')).toBe(true)
  })

  it('CLI-9: levels in any case, or as a number', () => {
    expect(['info', 'Info', 'FATAL', '15', 'loud'].map(parseLogLevel)).toEqual([20, 20, 50, 15, undefined])
  })
})

describe('style', () => {
  it('paints on a terminal only, and not against NO_COLOR or --no-color', () => {
    vi.stubEnv('NO_COLOR', '')
    vi.stubEnv('FORCE_COLOR', '')
    vi.stubEnv('TERM', '')
    expect(createStyle({ isTTY: true }).paint('red', 'x')).toBe('\x1b[31mx\x1b[39m')
    expect(createStyle({}).paint('red', 'x')).toBe('x')
    expect(createStyle({ isTTY: true }, { color: false }).paint('red', 'x')).toBe('x')
    vi.stubEnv('NO_COLOR', '1')
    expect(createStyle({ isTTY: true }).coloured).toBe(false)
  })
})

describe('table', () => {
  it('pads columns, numbers to the right', () => {
    expect(
      formatTable(
        ['queue', 'waiting'],
        [
          ['celery', 5],
          ['a', 1200],
        ],
        plain,
      ),
    ).toBe('queue   waiting\ncelery        5\na          1200')
  })

  it('what others have written does nothing to the terminal, and stays on its line', () => {
    expect(formatTable(['task'], [['a\u001B]0;title\u0007b'], ['c\nd\u009B2J']], plain)).toBe(
      'task\na·]0;title·b\nc·d·2J',
    )
  })
})

describe('colours', () => {
  const coloured = (isTTY: boolean, env: Readonly<Record<string, string>>): boolean => {
    for (const name of ['NO_COLOR', 'FORCE_COLOR', 'TERM']) vi.stubEnv(name, env[name] ?? '')
    try {
      return createStyle({ isTTY }).coloured
    } finally {
      vi.unstubAllEnvs()
    }
  }

  it.each([
    [true, {}, true],
    [false, {}, false],
    [true, { NO_COLOR: '1' }, false],
    [true, { NO_COLOR: '1', FORCE_COLOR: '1' }, false],
    [false, { FORCE_COLOR: '1' }, true],
    [false, { FORCE_COLOR: 'true' }, true],
    [false, { FORCE_COLOR: '0' }, false],
    [true, { FORCE_COLOR: '0' }, false],
    [false, { FORCE_COLOR: 'false' }, false],
    [true, { TERM: 'dumb' }, false],
    [true, { TERM: 'dumb', FORCE_COLOR: '1' }, true],
  ])('on a terminal %j, with %j: %j', (terminal, env, expected) => {
    expect(coloured(terminal, env)).toBe(expected)
  })
})
