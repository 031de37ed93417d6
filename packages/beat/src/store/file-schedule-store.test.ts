/** What a file goes through: crashes in the middle of a write, damage, other programs, a second beat. */
import { spawn } from 'node:child_process'
import { createHash } from 'node:crypto'
import { once } from 'node:events'
import { mkdtempSync, rmSync } from 'node:fs'
import { appendFile, readdir, readFile, rm, stat, utimes, writeFile } from 'node:fs/promises'
import { hostname, tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { crc32 } from 'node:zlib'
import type { Notice, ScheduleStoreConnection, StoredScheduleEntry } from '@ct/contracts'
import { seededRandom } from '@ct/testing'
import { afterAll, afterEach, beforeEach, describe, expect, it } from 'vitest'
import { writeLine } from './entry-record.ts'
import { FileLock } from './file-lock.ts'
import { fileScheduleStore } from './file-schedule-store.ts'

const folder = mkdtempSync(join(tmpdir(), 'ct-schedule-'))
afterAll(() => rmSync(folder, { recursive: true }))

let count = 0
let path: string
let warnings: string[]
const open: { close(): Promise<void> }[] = []

beforeEach(() => {
  path = join(folder, `schedule-${count++}`)
  warnings = []
})
afterEach(async () => {
  for (const store of open.splice(0)) await store.close()
})

async function connect(file = path): Promise<ScheduleStoreConnection> {
  const store = fileScheduleStore({ path: file })
  open.push(store)
  return store.connect({
    onNotice: (notice: Notice) => {
      if (notice.kind === 'warning') warnings.push(notice.message)
    },
  })
}

async function closeAll(): Promise<void> {
  for (const store of open.splice(0)) await store.close()
}

function entry(name: string, more: Partial<StoredScheduleEntry> = {}): StoredScheduleEntry {
  return {
    name,
    task: 'proj.tick',
    schedule: { type: 'interval', seconds: 10 },
    args: '[1.0]',
    kwargs: '{}',
    options: '{}',
    enabled: true,
    oneOff: false,
    startAt: undefined,
    expiresAt: undefined,
    description: 'ü',
    origin: 'run-time',
    lastRunAt: undefined,
    totalRunCount: 0,
    ...more,
  }
}

async function names(): Promise<string[]> {
  return (await (await connect()).load()).entries.map(({ name }) => name)
}

describe('a schedule in a file', () => {
  it('BEAT-20: what was saved is there for the next process, runs included', async () => {
    const store = await connect()
    await store.save({ put: [entry('a'), entry('b', { lastRunAt: 5, totalRunCount: 1 })] })
    await store.save({ runs: [{ name: 'a', lastRunAt: 1000, totalRunCount: 1 }], remove: ['b'] })
    await closeAll()
    expect((await (await connect()).load()).entries).toEqual([
      entry('a', { lastRunAt: 1000, totalRunCount: 1 }),
    ])
    expect(warnings).toEqual([])
  })

  it('BEAT-22: cut off at any byte, it holds every save but the last, and takes the next one', async () => {
    const store = await connect()
    await store.save({ put: [entry('a')] })
    await store.save({ put: [entry('b')] })
    const { size } = await stat(path)
    await store.save({ put: [entry('c')] })
    await closeAll()
    const whole = await readFile(path)
    const random = seededRandom(1)
    for (const length of [
      size,
      size + 1,
      whole.length - 2,
      ...Array.from({ length: 8 }, () => size + random.below(whole.length - size - 1)),
    ]) {
      path = join(folder, `torn-${count++}`)
      warnings = []
      await writeFile(path, whole.subarray(0, length))
      expect(await names()).toEqual(['a', 'b'])
      expect(warnings.map((line) => line.includes('was torn'))).toEqual(length === size ? [] : [true])
      await (await connect()).save({ put: [entry('d')] })
      await closeAll()
      warnings = []
      expect(await names()).toEqual(['a', 'b', 'd'])
      expect(warnings).toEqual([])
      await closeAll()
    }
  })

  it('BEAT-22: a last line that lacks nothing but its end counts, and the next one is a line of its own', async () => {
    const store = await connect()
    for (const name of ['a', 'b']) await store.save({ put: [entry(name)] })
    await closeAll()
    await writeFile(path, (await readFile(path)).subarray(0, -1))
    expect(await names()).toEqual(['a', 'b'])
    await (await connect()).save({ put: [entry('c')] })
    await closeAll()
    expect(await names()).toEqual(['a', 'b', 'c'])
    expect(warnings).toEqual([])
  })

  it('BEAT-22: damaged lines are told and left out, and stay byte for byte, also when the file is written anew, until somebody removes them', async () => {
    const store = await connect()
    for (const name of ['a', 'b', 'c', 'd']) await store.save({ put: [entry(name)] })
    await closeAll()
    const lines = (await readFile(path, 'latin1')).split('\n')
    // One that is still a text, one that is not, one that is of a version to come.
    const text = lines[2]!.replace('"name":"b"', '"name":"x"')
    const bytes = lines[3]!.replace('proj', '\xff\x00\xfe\r')
    const future = writeLine({ put: [entry('f')], when: 'later' } as never).trimEnd()
    lines.splice(2, 2, text, bytes, Buffer.from(future).toString('latin1'))
    await writeFile(path, lines.join('\n'), 'latin1')
    const keptAs = (line: string): string => Buffer.from(line, 'latin1').toString('base64')
    const damaged = ['damaged line 3', 'damaged line 4', 'damaged line 5']
    const brokenNames = async (): Promise<string[]> =>
      (await (await connect()).load()).broken.map(({ name }) => name)
    expect(await names()).toEqual(['a', 'd'])
    expect(warnings).toEqual([expect.stringMatching(/3 of 6 lines .* damaged .* kept in the file/)])
    expect(await brokenNames()).toEqual(damaged)
    // Written anew, since it has grown.
    const again = await connect()
    const { ino } = await stat(path)
    for (let round = 0; round < 8; round++)
      await again.save({ put: [entry('a', { description: 'x'.repeat(200_000) })] })
    expect((await stat(path)).ino).not.toBe(ino)
    await closeAll()
    warnings = []
    expect(await names()).toEqual(['a', 'd'])
    expect(warnings).toEqual([])
    expect(await brokenNames()).toEqual(damaged)
    const kept = (await readFile(path, 'utf8'))
      .split('\n')
      .filter((line) => line.includes('"kept"'))
      .map((line) => JSON.parse(line.slice(9)) as { readonly kept: string; readonly encoding?: string })
      .map(({ kept: one, encoding }) => Buffer.from(one, (encoding ?? 'utf8') as 'utf8').toString('base64'))
    expect(kept).toEqual([keptAs(text), keptAs(bytes), Buffer.from(future).toString('base64')])
    await (await connect()).save({ remove: damaged })
    await closeAll()
    expect(await brokenNames()).toEqual([])
  })

  it('BEAT-22, CLI-21: a file whose beginning is lost is told; the first save moves it aside, and who only looks changes nothing', async () => {
    const bytes = Buffer.from('\0\0\0\0 nothing that anybody could read')
    await writeFile(path, bytes)
    const own = async (): Promise<string[]> =>
      (await readdir(folder)).filter((name) => join(folder, name).startsWith(path))
    expect(await names()).toEqual([])
    await closeAll()
    expect(warnings).toEqual([
      expect.stringMatching(/cannot be read as a schedule.*\.broken-.*when it first saves/),
    ])
    expect(await own()).toHaveLength(1)
    expect(await readFile(path)).toEqual(bytes)
    await (await connect()).save({ put: [entry('a')] })
    const aside = (await own()).find((name) => name.includes('.broken-'))
    expect(await readFile(join(folder, aside!))).toEqual(bytes)
    await closeAll()
    expect(await names()).toEqual(['a'])
    // An empty one is new, and one that ends after its first line has nothing in it.
    for (const content of ['', '{"ct":"schedule","version":1}\n']) {
      path = join(folder, `begun-${count++}`)
      await writeFile(path, content)
      warnings = []
      await (await connect()).save({ put: [entry('a')] })
      await closeAll()
      expect(await names()).toEqual(['a'])
      await closeAll()
      expect(warnings).toEqual([])
    }
  })

  it.each([
    ['SQLite', Buffer.from('SQLite format 3\0 and more')],
    ['GDBM', Buffer.from([0xce, 0x9a, 0x57, 0x13, 0, 0, 0, 0])],
    ['Berkeley DB', Buffer.concat([Buffer.alloc(12), Buffer.from([0x61, 0x15, 0x06, 0x00])])],
  ])('BEAT-20: the file of a Python beat (%s) is refused and left alone', async (program, bytes) => {
    await writeFile(path, bytes)
    await expect(connect()).rejects.toMatchObject({
      code: 'CT_CONFIGURATION',
      message: expect.stringContaining(program) as string,
    })
    expect(await readFile(path)).toEqual(bytes)
  })

  it('BEAT-20: a text of somebody else is refused and left alone; what a crash left of a schedule is not one', async () => {
    await writeFile(path, '{\n  "name": "proj"\n}\n')
    await expect(connect()).rejects.toMatchObject({
      code: 'CT_CONFIGURATION',
      message: expect.stringContaining('left as it is') as string,
    })
    expect(await readFile(path, 'utf8')).toContain('"proj"')
    for (const left of [
      '{"ct":"sch',
      '{"ct":"schedule","version":1}',
      `damaged\n${writeLine({ put: [entry('a')] })}`,
    ]) {
      path = join(folder, `left-${count++}`)
      await writeFile(path, left)
      expect(await names()).toEqual([])
      expect(warnings.at(-1)).toMatch(/moves this one to/)
      await (await connect()).save({ put: [entry('b')] })
      await closeAll()
      expect(await names()).toEqual(['b'])
    }
  })

  it('S2: an entry that makes no sense is told by its name, until somebody mends it', async () => {
    const header = '{"ct":"schedule","version":1}\n'
    const bad = [{ ...entry('bad'), task: 5 }, null, { ...entry('worse'), schedule: [] }] as never
    await writeFile(path, header + writeLine({ put: [entry('a')] }) + writeLine({ put: bad }))
    const store = await connect()
    const { entries, broken } = await store.load()
    expect(entries.map(({ name }) => name)).toEqual(['a'])
    expect(broken).toEqual([
      { name: 'bad', reason: 'its task is not a string' },
      { name: '?', reason: 'it is not an object' },
      { name: 'worse', reason: 'its schedule is not an object' },
    ])
    // They stay as they are written, numbers included, through a writing anew.
    await closeAll()
    const verbatim = '{"name":"precise","task":1.0,"args":"[1]","big":12345678901234567890}'
    const json = `{"put":[{"x": 1e400},${verbatim}],"runs":[{"name":"a","lastRunAt":"soon"}]}`
    const sum = crc32(json).toString(16).padStart(8, '0')
    await appendFile(path, `${sum} ${json}\n`)
    const again = await connect()
    for (let round = 0; round < 8; round++)
      await again.save({ put: [entry('a', { description: 'x'.repeat(200_000) })] })
    await closeAll()
    const text = await readFile(path, 'utf8')
    expect(text.length).toBeLessThan(1_000_000)
    expect(text).toContain(verbatim)
    expect(text).toContain('{"x": 1e400}')
    expect(text).toContain('{"name":"a","lastRunAt":"soon"}')
    const last = await connect()
    const left = (await last.load()).broken.map(({ name }) => name)
    expect(left.toSorted()).toEqual(['?', '? (2)', 'bad', 'precise', 'run of a', 'worse'])
    await last.save({ put: [entry('bad')], remove: left.filter((name) => name !== 'bad') })
    expect((await last.load()).broken).toEqual([])
  })

  it('is written anew when it has grown, and holds the same', async () => {
    const store = await connect()
    const many = Array.from({ length: 2500 }, (_, index) =>
      entry(`e${index}`, { description: 'x'.repeat(200) }),
    )
    await store.save({ put: many })
    const runs = many.map(({ name }, index) => ({ name, lastRunAt: index, totalRunCount: 1 }))
    for (let round = 0; round < 12; round++) await store.save({ runs })
    const { entries } = await store.load()
    const { size } = await stat(path)
    expect(size).toBeLessThan(2.5 * 2500 * 450)
    await closeAll()
    expect((await (await connect()).load()).entries).toEqual(entries)
    expect(entries[7]).toMatchObject({ name: 'e7', lastRunAt: 7, totalRunCount: 1 })
  })

  it('a killed process loses nothing that was saved', async () => {
    const child = spawn(process.execPath, [
      '--conditions=@ct/source',
      fileURLToPath(new URL('../../test/save-without-end.ts', import.meta.url)),
      path,
    ])
    let told = ''
    child.stdout.on('data', (data: Buffer) => {
      told += String(data)
      if (told.split('\n').length > 40) child.kill('SIGKILL')
    })
    await once(child, 'close')
    const saved = told.trimEnd().split('\n').length
    const [a] = (await (await connect()).load()).entries
    expect(a?.totalRunCount).toBeGreaterThanOrEqual(saved)
    // Its lock is nobody's.
    await (await connect()).save({ put: [entry('b')] })
  })
})

describe('a second beat on the file', () => {
  const lock = (more: object = {}): string =>
    JSON.stringify({ host: hostname(), pid: process.ppid, id: 'other', ...more })

  it('BEAT-12: is refused by name while the first one lives', async () => {
    await writeFile(`${path}.lock`, lock())
    await expect((await connect()).save({ put: [entry('a')] })).rejects.toMatchObject({
      code: 'CT_BACKEND',
      message: expect.stringContaining(`in use by process ${process.ppid}`) as string,
    })
    expect(await readdir(folder)).not.toContain(path.slice(folder.length + 1))
  })

  it('takes over from one that is dead, silent, of an earlier container, or unreadable', async () => {
    const long = new Date(Date.now() - 60_000)
    for (const [content, since] of [
      [lock({ pid: 2 ** 22 + 1 }), undefined],
      [lock({ host: 'elsewhere' }), long],
      [lock({ pid: process.pid }), undefined],
      ['', undefined],
    ] as const) {
      path = join(folder, `locked-${count++}`)
      await writeFile(`${path}.lock`, content)
      if (since !== undefined) await utimes(`${path}.lock`, since, since)
      await (await connect()).save({ put: [entry('a')] })
      await closeAll()
      await expect(stat(`${path}.lock`)).rejects.toMatchObject({ code: 'ENOENT' })
    }
  })

  it('BEAT-12: a lock names its owner from the first moment, so that nobody takes it for one of nobody', async () => {
    const end = new AbortController()
    const seen = new Set<boolean>()
    const look = async (): Promise<void> => {
      while (!end.signal.aborted)
        seen.add((await readFile(`${path}.lock`, 'utf8').catch(() => 'none')) !== '')
    }
    const looking = [look(), look(), look()]
    for (let time = 0; time < 100; time++) await (await FileLock.take(path)).release()
    end.abort()
    await Promise.all(looking)
    expect([...seen]).toEqual([true])
    const own = path.slice(folder.length + 1)
    expect((await readdir(folder)).filter((name) => name.startsWith(own))).toEqual([])
  })

  it('BEAT-12: of many that find a dead one’s lock one has the file, time after time, and no lock is ever away in between', async () => {
    let holders = 0
    let most = 0
    const contend = async (): Promise<boolean> => {
      const taken = await FileLock.take(path).catch(() => undefined)
      if (taken === undefined) return false
      most = Math.max(most, ++holders)
      await taken.assertOurs()
      return true
    }
    for (let round = 0; round < 20; round++) {
      path = join(folder, `race-${count++}`)
      holders = 0
      await writeFile(`${path}.lock`, lock({ pid: 2 ** 22 + 1, id: `dead ${round}` }))
      const took = await Promise.all(Array.from({ length: 6 }, contend))
      expect(took.filter(Boolean)).toHaveLength(1)
    }
    expect(most).toBe(1)
  })

  it('BEAT-12: a claim that a dead one left behind is followed like a lock, and one of somebody who lives is waited for', async () => {
    const dead = lock({ pid: 2 ** 22 + 1 })
    const claim = `${path}.lock.${createHash('sha1').update(dead).digest('hex').slice(0, 12)}`
    await writeFile(`${path}.lock`, dead)
    await writeFile(claim, lock({ id: 'alive' }))
    await expect(FileLock.take(path)).rejects.toMatchObject({ code: 'CT_BACKEND' })
    await writeFile(claim, lock({ pid: 2 ** 22 + 1, id: 'died too' }))
    const taken = await FileLock.take(path)
    await taken.assertOurs()
    await taken.release()
    const own = path.slice(folder.length + 1)
    expect((await readdir(folder)).filter((name) => name.startsWith(`${own}.`))).toEqual([])
  })

  it('BEAT-12: who finds another name in the lock writes nothing, from the first write on', async () => {
    const store = await connect()
    await store.save({ put: [entry('a')] })
    const before = await readFile(path)
    await writeFile(`${path}.lock`, lock())
    await expect(store.save({ put: [entry('b')] })).rejects.toMatchObject({ code: 'CT_LEASE_LOST' })
    expect(await readFile(path)).toEqual(before)
    await closeAll()
    expect(await readFile(`${path}.lock`, 'utf8')).toBe(lock())
    await rm(`${path}.lock`)
  })

  it('what others wrote between our look and our first save stays', async () => {
    await (await connect()).save({ put: [entry('a')] })
    await closeAll()
    const early = await connect()
    expect((await early.load()).entries).toHaveLength(1)
    // Another process, since in this one they would share the file.
    const change = { put: [entry('b'), entry('c')], runs: [{ name: 'a', lastRunAt: 7, totalRunCount: 1 }] }
    await appendFile(path, writeLine(change))
    await early.save({ put: [entry('d')] })
    expect((await early.load()).entries.map(({ name }) => name)).toEqual(['a', 'b', 'c', 'd'])
    await closeAll()
    const [a, ...others] = (await (await connect()).load()).entries
    expect(a).toMatchObject({ name: 'a', lastRunAt: 7, totalRunCount: 1 })
    expect(others.map(({ name }) => name)).toEqual(['b', 'c', 'd'])
    expect(warnings).toEqual([])
  })

  it('reading needs no lock', async () => {
    await (await connect()).save({ put: [entry('a')] })
    await closeAll()
    await writeFile(`${path}.lock`, lock())
    expect(await names()).toEqual(['a'])
    await rm(`${path}.lock`)
  })

  it('a folder that may not be written is told with what to do', async () => {
    const blocked = join(folder, `file-${count++}`)
    await writeFile(blocked, '')
    await expect(connect(join(blocked, 'schedule')).then((store) => store.save({}))).rejects.toMatchObject({
      code: 'CT_BACKEND',
      message: expect.stringContaining('beatScheduleFilename') as string,
    })
  })
})
