/** What an adapter's test gives the schedule store suite. */
import type { Broker, ScheduleStore, ScheduleStoreCapabilities } from '@ct/contracts'
import type { TestRunner } from '../runner.ts'

/** One fresh namespace in the store: made for each test, closed after it. */
export interface ScheduleStoreHarness {
  /** Another process on the same namespace. */
  store(): Promise<ScheduleStore>
  close(): Promise<void>
  /** Puts an entry of this name that cannot be read. */
  putBroken?(name: string): Promise<void>
  /** A broker in the same store, for `fire`. */
  broker?(): Promise<Broker>
  /** The server loses everything, and runs. */
  loseData?(): Promise<void>
  /** A store whose server is not there. */
  unreachable?(): Promise<ScheduleStore>
}

export type ScheduleStoreAbility = 'putBroken' | 'broker' | 'loseData' | 'unreachable'

export interface ScheduleStoreConformanceOptions {
  readonly capabilities: ScheduleStoreCapabilities
  readonly without?: readonly ScheduleStoreAbility[]
  /** The shortest leadership the store can keep, in ms. Default 150. */
  readonly leadMs?: number
  readonly patienceMs?: number
  readonly runner?: TestRunner
}
