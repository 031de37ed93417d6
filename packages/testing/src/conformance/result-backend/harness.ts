/** What an adapter's test gives the result backend suite. */
import type { ResultBackend, ResultBackendCapabilities } from '@ct/contracts'
import type { TestRunner } from '../runner.ts'

/** One process' view of the store. */
export interface ResultBackendPeer {
  readonly backend: ResultBackend
  /** The line breaks: open connections are lost; the same backend object can connect again at once. */
  cut?(): Promise<void>
}

/** One fresh namespace in the store: made for each test, closed after it. */
export interface ResultBackendHarness {
  /** Another process on the same namespace. */
  peer(): Promise<ResultBackendPeer>
  close(): Promise<void>
  /** A backend whose server is not there. */
  unreachable?(): Promise<ResultBackend>
  /** Reply queue of a peer, where `readers` is `caller`. */
  replyTo?(peer: ResultBackendPeer): string
}

export type ResultBackendAbility = 'cut' | 'unreachable'

export interface ResultBackendConformanceOptions {
  /** What the backend must declare about itself; decides which tests run. */
  readonly capabilities: ResultBackendCapabilities
  readonly without?: readonly ResultBackendAbility[]
  /** The finest expiry the store keeps, in ms (memcached, DynamoDB: 1,000). Default 50. */
  readonly expiryStepMs?: number
  /**
   * A SUCCESS stays also when two processes write at the same instant. False where the store has no conditional write and the kit reads
   * first, as Celery does. Default true.
   */
  readonly conditionalWrites?: boolean
  /** How long to wait for what must come. Default 5,000. */
  readonly patienceMs?: number
  /** How long to watch that nothing comes. Default 100. */
  readonly quietMs?: number
  readonly runner?: TestRunner
}
