/** Files and users of a worker's process. */
import {
  existsSync,
  mkdirSync,
  mkdtempSync,
  readFileSync,
  renameSync,
  rmSync,
  statSync,
  writeFileSync,
} from 'node:fs'
import { homedir, tmpdir } from 'node:os'
import { join } from 'node:path'
import { nodePath } from '@ct/client'
import { afterAll, describe, expect, it } from 'vitest'
import { LogFile } from './log-file.ts'
import { PidFile, readPid } from './pid-file.ts'
import { optionsOfNode } from './restart.ts'
import { become } from './privileges.ts'

const folder = mkdtempSync(join(tmpdir(), 'ct-process-'))
afterAll(() => rmSync(folder, { recursive: true, force: true }))
let files = 0
const fresh = (name: string): string => join(folder, `${++files}-${name}`)

/** Nobody's: Linux hands out none above 2^22. */
const nobodysPid = 2 ** 22 + 7

describe('WORK-24: paths with a node’s name in them', () => {
  it.each([
    ['%n.pid', 'w1.pid'],
    ['%n%I.log', 'w1.log'],
    ['%n-%i.log', 'w1-0.log'],
    ['%h/%d/%p', 'www.example.com/example.com/w1@www.example.com'],
    ['100%%', '100%'],
    ['%x', '%x'],
    ['~/run/%n', `${homedir()}/run/w1`],
  ])('%s is %s', (given, expanded) => {
    expect(nodePath(given, 'w1@www.example.com')).toBe(expanded)
  })
})

describe('WORK-10: the pid file', () => {
  const said: string[] = []
  const say = (text: string): void => void said.push(text)

  it('WIRE-42: is made with the pid and mode 644, and gone afterwards', () => {
    const path = fresh('a.pid')
    const file = PidFile.acquire(path, say)
    expect(readFileSync(path, 'utf8')).toBe(`${process.pid}\n`)
    expect(statSync(path).mode & 0o777).toBe(0o644)
    file.release()
    expect(existsSync(path)).toBe(false)
  })

  it('a process that lives keeps it: exit code 73, with its pid', () => {
    const path = fresh('b.pid')
    writeFileSync(path, `${process.ppid}\n`)
    expect(() => PidFile.acquire(path, say)).toThrow(
      expect.objectContaining({
        exitCode: 73,
        message: expect.stringContaining(`(pid: ${process.ppid})`) as string,
      }),
    )
    expect(readPid(path)).toBe(process.ppid)
  })

  it.each([
    ['stale', `${nobodysPid}\n`, /^Stale pid file/],
    ['our own from another life', `${process.pid}\n`, /^Stale/],
    ['without its line end', '12', /^Broken pid file/],
    ['no number', 'me\n', /^Broken/],
  ])('one that is %s is replaced, and that is said', (_, content, word) => {
    const path = fresh('c.pid')
    writeFileSync(path, content)
    said.length = 0
    using file = PidFile.acquire(path, say)
    expect(readPid(file.path)).toBe(process.pid)
    expect(said).toEqual([expect.stringMatching(word)])
  })

  it('a folder in its place is said, and stays', () => {
    const path = fresh('folder.pid')
    mkdirSync(path)
    expect(() => PidFile.acquire(path, say)).toThrow(
      expect.objectContaining({ exitCode: 73, message: expect.stringContaining('cannot be written') }),
    )
    expect(statSync(path).isDirectory()).toBe(true)
  })

  it('what somebody else has taken meanwhile stays', () => {
    const path = fresh('d.pid')
    const file = PidFile.acquire(path, say)
    writeFileSync(path, `${process.ppid}\n`)
    file.release()
    expect(readPid(path)).toBe(process.ppid)
  })

  it('a folder that is not there is said', () => {
    expect(() => PidFile.acquire(join(folder, 'no/such.pid'), say)).toThrow(
      expect.objectContaining({ exitCode: 73 }),
    )
  })
})

describe('the log file', () => {
  it('goes on in a new file when the old one was moved or deleted', () => {
    const path = fresh('w.log')
    let now = 0
    using log = new LogFile(
      path,
      () => {},
      () => now,
    )
    log.write('one\n')
    renameSync(path, `${path}.1`)
    log.write('two\n')
    now += 1_000
    log.write('three\n')
    expect(readFileSync(`${path}.1`, 'utf8')).toBe('one\ntwo\n')
    expect(readFileSync(path, 'utf8')).toBe('three\n')
    rmSync(path)
    now += 1_000
    log.write('four\n')
    expect(readFileSync(path, 'utf8')).toBe('four\n')
  })

  it('appends, and says once that it cannot be written', () => {
    const path = join(folder, 'logs', 'w.log')
    mkdirSync(join(folder, 'logs'))
    const said: string[] = []
    {
      using log = new LogFile(path, (text) => said.push(text))
      log.write('a\n')
    }
    let now = 0
    using log = new LogFile(
      path,
      (text) => said.push(text),
      () => now,
    )
    log.write('b\n')
    expect(readFileSync(path, 'utf8')).toBe('a\nb\n')
    rmSync(join(folder, 'logs'), { recursive: true })
    now += 1_000
    log.write('c\n')
    log.write('d\n')
    expect(said).toEqual([expect.stringContaining('cannot be written')])
    expect(() => new LogFile(folder, () => {})).toThrow(/cannot be written/)
  })
})

describe('WORK-9: umask and users', () => {
  it('the umask is octal', () => {
    const before = process.umask()
    try {
      become({ umask: '027' })
      expect(process.umask()).toBe(0o027)
      become({ umask: '0o022' })
      expect(process.umask()).toBe(0o022)
      expect(() => become({ umask: '98' })).toThrow(/no octal number/)
    } finally {
      process.umask(before)
    }
  })
})

it('WORK-14: what starts anew has the options of Node that it had', () => {
  const once = optionsOfNode(['--import', './a.mjs', '--import', './b.mjs'])
  expect(once.slice(1)).toEqual(['--import', './a.mjs', '--import', './b.mjs'])
  expect(optionsOfNode(once)).toEqual(once)
})
