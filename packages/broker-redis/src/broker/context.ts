import type { Notice } from '@ct/contracts'
import type { Keys } from '../keys.ts'
import type { BrokerSettings } from '../options/broker-options.ts'

/** What the parts of one broker connection share. */
export interface BrokerContext {
  readonly settings: BrokerSettings
  readonly keys: Keys
  notice(notice: Notice): void
  /** Gives the whole connection up. */
  lost(error: Error): void
  /** Key of a task's result document in the store that settles with us; undefined while there is none. */
  resultKey(taskId: string): string | undefined
  /** Tags of a step whose reply never came: nobody knows these messages. The next connection puts them back at once. */
  orphaned(tags: readonly string[]): void
}
