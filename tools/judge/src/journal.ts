import type { Language } from './tree.ts'

/** One run of a task: who, which try, with what. */
export interface JournalEntry {
  /** Which sending of which tree. */
  readonly run: string
  readonly tag: string
  /** null: an error callback, which may run without a request of its own. */
  readonly id: string | null
  readonly args: readonly unknown[]
  readonly retries: number
  readonly parent: string | null
  readonly lang: Language
  readonly stamps?: readonly string[]
}

/** List in Redis to which Python appends its entries. */
export const journalKey = 'judge:journal'
