/**
 * The ledger's book: files of JSON lines, one file per process, appended with one write per line, so that what was written before a
 * SIGKILL stays written. It lies outside of Redis, which the campaign maltreats.
 */
import { closeSync, openSync, readdirSync, readFileSync, writeSync } from 'node:fs'
import { join } from 'node:path'
import type { Order } from './orders.ts'

/** A producer is about to send this. */
export interface Intent {
  readonly e: 'intent'
  readonly t: number
  readonly p: number
  readonly by: string
  readonly order: Order
}

/** The broker has confirmed it. */
export interface Confirm {
  readonly e: 'confirm'
  readonly t: number
  readonly p: number
  readonly k: string
}

/** Sending failed; `maybe`: whether (a part of) it may have been delivered all the same. */
export interface Refuse {
  readonly e: 'refuse'
  readonly t: number
  readonly p: number
  readonly k: string
  readonly maybe: boolean
  readonly why: string
}

/** A handler begins, ends, or asks for a retry. `k`: unit, `r`: which retry, `v`: what it got from the units before it. */
export interface Step {
  readonly e: 'start' | 'end' | 'again'
  readonly t: number
  readonly p: number
  readonly k: string
  readonly r: number
  readonly id: string
  readonly lang: 'ct' | 'py'
  readonly v?: unknown
}

/** A worker process of Python took a message; it does not renew its lease. */
export interface Taken {
  readonly e: 'taken'
  readonly t: number
  readonly p: number
  readonly id: string
}

/** A process did not run for a while: stopped by us, or starved by the machine. */
export interface Stall {
  readonly e: 'stall'
  readonly t: number
  readonly p: number
  readonly from: number
}

export type Entry = Intent | Confirm | Refuse | Step | Taken | Stall

/** The fields a writer gives; time and process are added. */
export type Noted<E extends Entry = Entry> = E extends Entry ? Omit<E, 't' | 'p'> : never

export class Journal implements Disposable {
  readonly #fd: number

  constructor(folder: string, role: string) {
    this.#fd = openSync(join(folder, `${role}-${process.pid}.jsonl`), 'a')
  }

  write(entry: Noted): void {
    writeSync(this.#fd, `${JSON.stringify({ t: Date.now(), p: process.pid, ...entry })}\n`)
  }

  [Symbol.dispose](): void {
    closeSync(this.#fd)
  }
}

/** Every line of every process, in the order of time. A line that a dying process left half written is left out. */
export function readJournals(folder: string): Entry[] {
  const entries: Entry[] = []
  for (const file of readdirSync(folder)) {
    if (!file.endsWith('.jsonl')) continue
    for (const line of readFileSync(join(folder, file), 'utf8').split('\n')) {
      if (!line.endsWith('}')) continue
      entries.push(JSON.parse(line) as Entry)
    }
  }
  return entries.sort((a, b) => a.t - b.t)
}
