import { ConfigurationError } from '@ct/contracts'
import { brokerOptionTable, keyPrefix } from './broker-options.ts'
import { checkOptions, type OptionTable } from '@ct/contracts/broker-kit'
import {
  resolveServer,
  serverOptionTable,
  withUrlQuery,
  type RedisServer,
  type RedisServerOptions,
} from './server-options.ts'

export interface RedisScheduleStoreOptions extends RedisServerOptions {
  /** Before every key. In a cluster the same hash-tagged one as the broker's. */
  readonly globalKeyprefix?: string
  /** Name of the schedule; several may live in one database. Default `default`. */
  readonly schedule?: string
}

/** Resolved: what `schedule/` works with. */
export interface ScheduleSettings {
  readonly server: RedisServer
  readonly prefix: string
  /** Hash: name of the entry → its JSON. */
  readonly entriesKey: string
  /** Hash: name of the entry → when it last ran, and how often it did. */
  readonly runsKey: string
  /** String, the number of the last change. Who changes the entries by hand increments it. */
  readonly markerKey: string
  /** List, the newest first: number of a change, a blank, the entry's name. */
  readonly changesKey: string
  /** Hash with `holder` and `token`; gone when its lease ran out. */
  readonly leaderKey: string
  /** String, the last token given. */
  readonly tokenKey: string
}

const table: OptionTable = {
  // A store is also made with the options of the broker on the same server; what they mean there is the broker's business.
  ...Object.fromEntries(Object.keys(brokerOptionTable).map((name) => [name, 'any'] as const)),
  ...serverOptionTable,
  globalKeyprefix: 'string',
  schedule: 'string',
}

/** Error: `CT_CONFIGURATION`. */
export function scheduleSettings(given: Readonly<Record<string, unknown>>): ScheduleSettings {
  const owner = 'redisScheduleStore'
  const options = checkOptions(owner, withUrlQuery(given), table) as RedisScheduleStoreOptions
  if (options.schedule === '') throw new ConfigurationError(`${owner}: option "schedule" must not be empty`)
  const server = resolveServer(owner, options as Record<string, unknown>)
  const prefix = keyPrefix(owner, options.globalKeyprefix, server)
  const base = `${prefix}ct.schedule.${options.schedule ?? 'default'}`
  return {
    server,
    prefix,
    entriesKey: `${base}.entries`,
    runsKey: `${base}.runs`,
    markerKey: `${base}.marker`,
    changesKey: `${base}.changes`,
    leaderKey: `${base}.leader`,
    tokenKey: `${base}.token`,
  }
}
