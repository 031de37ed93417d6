import type { Notice, OutgoingMessage } from '@ct/contracts'
import type { Keys } from '../keys.ts'
import type { BrokerSettings } from '../options/broker-options.ts'
import type { RedisStore } from '../same-server.ts'
import type { ListPush } from './list-push.ts'

/** What the parts of one broker connection share. */
export interface BrokerContext {
  readonly settings: BrokerSettings
  readonly keys: Keys
  notice(notice: Notice): void
  /** Gives the whole connection up. */
  lost(error: Error): void
  /** The store whose documents settle with us; undefined while there is none. */
  readonly store: RedisStore | undefined
  /** What publishes it; undefined when it cannot go along with an ack. Never throws. */
  pushOf(message: OutgoingMessage): ListPush | undefined
  /** Tags of a step whose reply never came: nobody knows these messages. The next connection puts them back at once. */
  orphaned(tags: readonly string[]): void
}
