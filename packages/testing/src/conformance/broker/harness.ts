/** What an adapter's test gives the broker suite. */
import type { Broker, BrokerCapabilities, HeaderTable, ResultBackend } from '@ct/contracts'
import type { TestRunner } from '../runner.ts'

/** One process' view of the server: a broker object and the line it has to the server. */
export interface BrokerPeer {
  readonly broker: Broker
  /**
   * The line breaks: open connections are lost on both sides; the same broker object can connect again at once.
   * Resolves when the server side has seen it too (where it sees such things).
   */
  cut(): Promise<void>
  /**
   * The process dies as by SIGKILL: nothing it holds is given back by itself. The suite does not touch the peer's broker afterwards,
   * except to close it. Where a lost line looks the same to the server, this is `cut`.
   */
  kill(): Promise<void>
}

/** One fresh namespace on the server (database, prefix, vhost): made for each test, closed after it. */
export interface BrokerHarness {
  /** Another process on the same namespace. The suite asks for one or more per test. */
  peer(): Promise<BrokerPeer>
  /** Ends what is left and removes the namespace. The suite has closed its brokers before. */
  close(): Promise<void>
  /** Brings back now what has a lease that ran out, instead of at the broker's next look. Leave it out where that look comes soon. */
  expireLeases?(): Promise<void>
  /** Puts something that is no envelope into a queue. */
  putRaw?(queue: string, payload: string): Promise<void>
  /** A result backend in the same store, for the same process as `peer`. The suite writes in the format that it declares. */
  backend?(peer: BrokerPeer): Promise<ResultBackend>
  /** A broker whose server is not there. */
  unreachable?(): Promise<Broker>
  /** A broker whose server turns us down (wrong password). */
  refused?(): Promise<Broker>
  /** How many commands or requests the server has served for this namespace so far. */
  served?(): Promise<number>
}

/** What a harness may be unable to do; the tests that need it are skipped by name. */
export type BrokerAbility = 'putRaw' | 'backend' | 'unreachable' | 'refused' | 'served'

export interface BrokerConformanceOptions {
  /** What the broker must declare about itself; decides which tests run. */
  readonly capabilities: BrokerCapabilities
  /** The lease the harness's brokers are configured with: short, but at least five times `quietMs`. Needed with `capabilities.lease`. */
  readonly leaseMs?: number
  readonly without?: readonly BrokerAbility[]
  /** How long to wait for what must come. Default 5,000. */
  readonly patienceMs?: number
  /**
   * How long to watch that nothing comes: longer than two looks of a broker that polls, else nothing would come of a message that is there
   * either, and every test that says so would prove nothing. Default 100; to be given where `capabilities.wakeUp` is `poll`.
   */
  readonly quietMs?: number
  /** `#` in a topic binding also stands for no word, as in AMQP. False where kombu's patterns decide. Default true. */
  readonly emptyHash?: boolean
  /** A released message comes back unmarked. False where the server marks whatever it gave out (SQS). Default true. */
  readonly cleanRelease?: boolean
  /** `purge` leaves alone what is held. False where the server cannot tell the two apart (SQS). Default true. */
  readonly purgeSparesHeld?: boolean
  /** Priorities of which each is a level of its own, most urgent first. Default by order: 0, 3, 6, 9 or reversed. */
  readonly priorities?: readonly number[]
  /** Arguments a queue needs to have priorities at all (`x-max-priority` of AMQP). */
  readonly priorityArguments?: HeaderTable
  /** Commands a second that an idle consumer may cost. Default 2: one, and a heartbeat. */
  readonly idleCommandsPerSecond?: number
  /** False: connections have no `administration`. Default true. */
  readonly administration?: boolean
  readonly runner?: TestRunner
}
