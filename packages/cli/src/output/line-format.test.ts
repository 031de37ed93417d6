import { pid } from 'node:process'
import { afterEach, describe, expect, it, vi } from 'vitest'
import { lineFormat } from './line-format.ts'
import { strftime } from './strftime.ts'

afterEach(() => vi.unstubAllEnvs())

const record = {
  level: 'INFO',
  levelno: 20,
  message: '100% done',
  now: Date.UTC(2026, 10, 24, 3, 30, 57, 123),
}

describe('D57-117: times of log lines', () => {
  const all =
    '%a %A %b %B %c %C %d %D %e %F %g %G %h %H %I %j %k %l %m %M %p %P %r %R %S %T %u %U %V %w %W %x %X %y %Y %z %% %Q'

  // What Python's time.strftime writes in the C locale.
  it.each([
    [
      1_763_955_057,
      'Mon Monday Nov November Mon Nov 24 09:00:57 2025 20 24 11/24/25 24 2025-11-24 25 2025 Nov 09 09 328  9  9 11 00 AM am 09:00:57 AM 09:00 57 09:00:57 1 47 48 1 47 11/24/25 09:00:57 25 2025 +0530 % %Q',
    ],
    [
      1_735_666_200,
      'Tue Tuesday Dec December Tue Dec 31 23:00:00 2024 20 31 12/31/24 31 2024-12-31 25 2025 Dec 23 11 366 23 11 12 00 PM pm 11:00:00 PM 23:00 00 23:00:00 2 52 01 2 53 12/31/24 23:00:00 24 2024 +0530 % %Q',
    ],
    [
      1_609_459_199,
      'Fri Friday Jan January Fri Jan  1 05:29:59 2021 20 01 01/01/21  1 2021-01-01 20 2020 Jan 05 05 001  5  5 01 29 AM am 05:29:59 AM 05:29 59 05:29:59 5 00 53 5 00 01/01/21 05:29:59 21 2021 +0530 % %Q',
    ],
    [
      1_230_768_000,
      'Thu Thursday Jan January Thu Jan  1 05:30:00 2009 20 01 01/01/09  1 2009-01-01 09 2009 Jan 05 05 001  5  5 01 30 AM am 05:30:00 AM 05:30 00 05:30:00 4 00 01 4 00 01/01/09 05:30:00 09 2009 +0530 % %Q',
    ],
  ])('%d: every directive as Python has it', (seconds, expected) => {
    vi.stubEnv('TZ', 'Asia/Kolkata')
    expect(strftime(all, new Date(seconds * 1000))).toBe(expected)
  })

  it('zones by name and west of Greenwich', () => {
    vi.stubEnv('TZ', 'America/New_York')
    expect(strftime('%z %Z %s', new Date(0))).toBe('-0500 EST 0')
  })
})

describe('lineFormat', () => {
  it('SET-182: takes Python’s placeholders with their widths', () => {
    vi.stubEnv('TZ', 'UTC')
    const line = lineFormat(
      '%(asctime)s|%(levelname)-8s|%(levelname)8.2s|%(levelno)03d|%(msecs)03d|%(created).1f|%(process)d|%(name)s|%(task_name)s|%% %(message)s',
    )
    expect(line(record)).toBe(
      `2026-11-24 03:30:57,123|INFO    |      IN|020|123|1795491057.1|${pid}|celery|???|% 100% done`,
    )
  })

  it('D57-117: %(asctime)s in the words of strftime; each second is written anew', () => {
    vi.stubEnv('TZ', 'UTC')
    const line = lineFormat('%(asctime)s', { datefmt: '%d/%b/%Y %H:%M:%S' })
    expect([line(record), line({ ...record, now: record.now + 1000 })]).toEqual([
      '24/Nov/2026 03:30:57',
      '24/Nov/2026 03:30:58',
    ])
  })

  it.each(['%(nonsense)s', '%(constructor)s', '%(message)', '%s', '50% done', '%(message)q', '%'])(
    'refuses %j with the setting’s name',
    (format) => {
      expect(() => lineFormat(format, { setting: 'workerLogFormat' })).toThrow(
        /^workerLogFormat cannot be used/,
      )
    },
  )
})
