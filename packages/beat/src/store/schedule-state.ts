/**
 * What the lines of a schedule file come to: entries with their runs, and what cannot be read. The latter is left out of the schedule and kept as it
 * stands, through every writing anew, until somebody puts or removes it by its name: it may be all that is left of something.
 */
import { isUtf8, type Buffer } from 'node:buffer'
import {
  isPlainObject,
  type ScheduleChanges,
  type ScheduleContents,
  type ScheduleRun,
  type ScheduleSaved,
  type StoredScheduleEntry,
} from '@ct/contracts'
import { ChangeLog } from '@ct/contracts/schedule-kit'
import {
  readEntryRecord,
  readLine,
  rowLine,
  rowTexts,
  writeLine,
  type FileChange,
  type ReadLine,
} from './entry-record.ts'

interface Unreadable {
  readonly reason: string
  /** What the file has for it when it is written anew. */
  readonly line: string
  /** It says itself what it is called: an entry of that name takes its place. */
  readonly isNamed: boolean
}

/** Entries in one line of a file that was written anew. */
const perLine = 1000
const keys: ReadonlySet<string> = new Set(['put', 'remove', 'runs'])

export class ScheduleState {
  readonly #entries = new Map<string, StoredScheduleEntry>()
  readonly #unreadable = new Map<string, Unreadable>()
  readonly #log = new ChangeLog()

  /** S2. `names` undefined: all. */
  contents(names?: readonly string[]): ScheduleContents {
    const { marker } = this.#log
    const broken = (name: string, reason: string): { name: string; reason: string } => ({ name, reason })
    if (names === undefined)
      return {
        entries: [...this.#entries.values()],
        broken: [...this.#unreadable].map(([name, { reason }]) => broken(name, reason)),
        marker,
      }
    return {
      entries: names.map((name) => this.#entries.get(name)).filter((entry) => entry !== undefined),
      broken: names.flatMap((name) => {
        const found = this.#unreadable.get(name)
        return found === undefined ? [] : [broken(name, found.reason)]
      }),
      marker,
    }
  }

  /** S5. */
  changes(since: string): ScheduleChanges | undefined {
    const logged = this.#log.since(since)
    if (logged === undefined) return undefined
    const { names, marker, more } = logged
    const removed = names.filter((name) => !this.#entries.has(name) && !this.#unreadable.has(name))
    return { ...this.contents(names), removed, marker, more }
  }

  /** A line without its end. False: it is damaged. */
  readLine(bytes: Buffer, number: number): boolean {
    const line = readLine(bytes.toString('utf8'))
    const reason = typeof line === 'string' ? line : this.#read(line)
    if (reason === undefined) return true
    const text = isUtf8(bytes)
      ? { kept: bytes.toString('utf8') }
      : { kept: bytes.toString('base64'), encoding: 'base64' as const }
    this.#keepLine({ ...text, name: `damaged line ${number}`, reason })
    return false
  }

  #keepLine(
    kept: Parameters<typeof writeLine>[0] & { readonly name: string; readonly reason: string },
  ): void {
    this.#keep(kept.name, { reason: kept.reason, line: writeLine(kept), isNamed: false })
  }

  /** What is wrong with the line as a whole; undefined: nothing. */
  #read({ json, value }: ReadLine): string | undefined {
    const { kept, name, reason, encoding, ...rest } = value
    if (typeof kept === 'string' && Object.keys(rest).length === 0) {
      this.#keepLine({
        kept,
        ...(encoding === 'base64' ? { encoding } : {}),
        name: String(name),
        reason: String(reason),
      })
      return undefined
    }
    for (const [key, rows] of Object.entries(value)) {
      if (!keys.has(key)) return `it has a "${key}", which this version does not know`
      if (!Array.isArray(rows)) return `its ${key} is not a list`
      if (key === 'remove' && !rows.every((one) => typeof one === 'string'))
        return 'its remove is not a list of names'
    }
    const {
      put = [],
      remove = [],
      runs = [],
    } = value as {
      readonly put?: readonly unknown[]
      readonly remove?: readonly string[]
      readonly runs?: readonly unknown[]
    }
    put.forEach((row, at) => {
      const entry = readEntryRecord(row)
      if (typeof entry === 'string') this.#keepRow('put', row, entry, () => rowTexts(json, 'put')[at]!)
      else this.#put(entry)
    })
    for (const one of remove) this.#remove(one)
    runs.forEach((row, at) => {
      if (isRun(row)) this.#run(row)
      else this.#keepRow('runs', row, 'its run is no run', () => rowTexts(json, 'runs')[at]!)
    })
    return undefined
  }

  #keepRow(key: 'put' | 'runs', row: unknown, reason: string, text: () => string): void {
    const name = isPlainObject(row) && typeof row['name'] === 'string' ? row['name'] : ''
    const kept = { reason, line: rowLine(key, text()) }
    if (key === 'put' && name !== '') {
      this.#entries.delete(name)
      this.#unreadable.set(name, { ...kept, isNamed: true })
    } else this.#keep(name === '' ? '?' : `run of ${name}`, { ...kept, isNamed: false })
  }

  /** Under a name that nothing else has. */
  #keep(label: string, unreadable: Unreadable): void {
    let name = label
    for (let again = 2; this.#unreadable.has(name) || this.#entries.has(name); again++)
      name = `${label} (${again})`
    this.#unreadable.set(name, unreadable)
  }

  /** What was saved, as the next process will read it; `line` is what was written. */
  apply(change: FileChange, line: string): ScheduleSaved {
    const json = line.slice(9, -1)
    this.#read({ json, value: JSON.parse(json) as ReadLine['value'] })
    const { put = [], remove = [] } = change
    return this.#log.add([...put.map(({ name }) => name), ...remove])
  }

  #put(entry: StoredScheduleEntry): void {
    const before = this.#entries.get(entry.name)
    const keeps = before !== undefined && entry.lastRunAt === undefined
    const { lastRunAt, totalRunCount } = keeps ? before : entry
    this.#entries.set(entry.name, { ...entry, lastRunAt, totalRunCount })
    if (this.#unreadable.get(entry.name)?.isNamed === true) this.#unreadable.delete(entry.name)
  }

  #remove(name: string): void {
    this.#entries.delete(name)
    this.#unreadable.delete(name)
  }

  #run({ name, lastRunAt, totalRunCount }: ScheduleRun): void {
    const entry = this.#entries.get(name)
    if (entry !== undefined) this.#entries.set(name, { ...entry, lastRunAt, totalRunCount })
  }

  /** All of it, as lines with their ends. What cannot be read comes first: nothing that follows it can be taken back by it. */
  lines(): readonly string[] {
    const all = [...this.#entries.values()]
    const lines = [...this.#unreadable.values()].map(({ line }) => line)
    for (let at = 0; at < all.length; at += perLine)
      lines.push(writeLine({ put: all.slice(at, at + perLine) }))
    return lines
  }
}

function isRun(row: unknown): row is ScheduleRun {
  return (
    isPlainObject(row) &&
    typeof row['name'] === 'string' &&
    typeof row['lastRunAt'] === 'number' &&
    typeof row['totalRunCount'] === 'number'
  )
}
