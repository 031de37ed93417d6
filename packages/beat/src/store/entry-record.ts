/**
 * What stands in the file of a schedule. The first line says what the file is; every other one is a change: the checksum of the rest of the line in
 * eight hexadecimal digits, a blank, and JSON. A line whose checksum is wrong was torn or damaged, and is no change at all.
 */
import { crc32 } from 'node:zlib'
import {
  isPlainObject,
  sliceJsonArray,
  sliceJsonObject,
  type ScheduleRun,
  type StoredScheduleEntry,
} from '@ct/contracts'
import { faultOf } from './entry-fault.ts'

export const fileHeader = '{"ct":"schedule","version":1}'

export interface FileChange {
  readonly put?: readonly StoredScheduleEntry[]
  readonly remove?: readonly string[]
  readonly runs?: readonly ScheduleRun[]
}

export function writeLine(change: FileChange | KeptLine): string {
  return sealed(JSON.stringify(change))
}

/** A line that cannot be read, carried on when the file is written anew. */
export interface KeptLine {
  readonly kept: string
  /** Where it is no text. */
  readonly encoding?: 'base64'
  readonly name: string
  readonly reason: string
}

/** A row that cannot be read, as a line of its own; `text` is its JSON as it was. */
export function rowLine(key: 'put' | 'runs', text: string): string {
  return sealed(`{"${key}":[${text}]}`)
}

function sealed(json: string): string {
  return `${checksum(json)} ${json}\n`
}

export interface ReadLine {
  readonly json: string
  readonly value: Readonly<Record<string, unknown>>
}

/** Without its end. A text: what is wrong with it. */
export function readLine(line: string): ReadLine | string {
  const json = line.slice(9)
  if (line[8] !== ' ' || checksum(json) !== line.slice(0, 8)) return 'its checksum is wrong'
  let value: unknown
  try {
    value = JSON.parse(json)
  } catch {
    return 'it is no JSON'
  }
  return isPlainObject(value) ? { json, value } : 'it is not an object'
}

/** The JSON of each row, as it stands in a line. */
export function rowTexts(json: string, key: string): readonly string[] {
  const [, text = '[]'] = sliceJsonObject(json).findLast(([name]) => name === key) ?? []
  return sliceJsonArray(text)
}

function checksum(text: string): string {
  return crc32(text).toString(16).padStart(8, '0')
}

/** The entry, or what is wrong with it. */
export function readEntryRecord(value: unknown): StoredScheduleEntry | string {
  const fault = faultOf(value)
  if (fault !== undefined) return fault
  const entry = value as StoredScheduleEntry
  const { startAt, expiresAt, lastRunAt } = entry
  return { ...entry, startAt, expiresAt, lastRunAt }
}

/** Files of other programs, of `celery beat` above all: they are not ours to move out of the way. */
const foreign: readonly (readonly [program: string, begins: (bytes: Buffer) => boolean])[] = [
  [
    'SQLite, as celery beat keeps its schedule',
    (bytes) => bytes.subarray(0, 15).toString('latin1') === 'SQLite format 3',
  ],
  [
    'GDBM, as celery beat keeps its schedule',
    (bytes) => (bytes.length >= 4 ? bytes.readUInt32LE(0) : 0) >>> 8 === 0x13579a,
  ],
  [
    'Berkeley DB, as celery beat keeps its schedule',
    (bytes) => bytes.length >= 16 && [0x00053162, 0x00061561].includes(bytes.readUInt32LE(12)),
  ],
]

export function foreignProgram(bytes: Buffer): string | undefined {
  return foreign.find(([, begins]) => begins(bytes))?.[0]
}
