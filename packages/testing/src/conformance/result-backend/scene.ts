/** One test of the result backend suite: its harness, what it opened, and the words it is written in. */
import { randomUUID } from 'node:crypto'
import type {
  Notice,
  ResultBackendConnection,
  ResultSubscription,
  ResultWrite,
  StoredResult,
} from '@ct/contracts'
import { readResult, resultWrite } from '../result-write.ts'
import { makeSceneSuite, type SceneSuite } from '../scene-suite.ts'
import { eventually, sleep, within } from '../waiting.ts'
import type {
  ResultBackendAbility,
  ResultBackendConformanceOptions,
  ResultBackendHarness,
  ResultBackendPeer,
} from './harness.ts'

export interface BackendSceneConnection {
  readonly peer: ResultBackendPeer
  readonly connection: ResultBackendConnection
  readonly notices: Notice[]
}

export class ResultBackendScene {
  readonly harness: ResultBackendHarness
  readonly options: ResultBackendConformanceOptions
  readonly #peers: ResultBackendPeer[] = []

  constructor(harness: ResultBackendHarness, options: ResultBackendConformanceOptions) {
    this.harness = harness
    this.options = options
  }

  get patienceMs(): number {
    return this.options.patienceMs ?? 5_000
  }

  /** An expiry that the store can keep, and that a test can wait for. */
  get shortMs(): number {
    return Math.max(60, this.options.expiryStepMs ?? 50)
  }

  async peer(): Promise<ResultBackendPeer> {
    const peer = await this.harness.peer()
    this.#peers.push(peer)
    return peer
  }

  async connect(given?: ResultBackendPeer): Promise<BackendSceneConnection> {
    const peer = given ?? (await this.peer())
    const notices: Notice[] = []
    const connection = await peer.backend.connect({ onNotice: (notice) => notices.push(notice) })
    return { peer, connection, notices }
  }

  id(label: string = 'task'): string {
    return `${label}-${randomUUID()}`
  }

  /** A write whose value is this text, in the format the backend asks for. */
  write(taskId: string, state: string, value: string, more: Partial<ResultWrite> = {}): ResultWrite {
    return { ...resultWrite(this.options.capabilities.format, taskId, state, value), ...more }
  }

  /** `STATE value` of what was stored by {@link write}; undefined where nothing is. */
  read(stored: StoredResult | undefined): string | undefined {
    return readResult(stored)
  }

  async get(connection: ResultBackendConnection, taskId: string): Promise<string | undefined> {
    return this.read((await connection.getMany([taskId]))[0])
  }

  /** Subscribes and collects what is told, as `id STATE value`. */
  listen(connection: ResultBackendConnection): {
    readonly told: string[]
    readonly subscription: ResultSubscription
  } {
    const told: string[] = []
    const subscription = connection.subscribe((result) => told.push(`${result.taskId} ${this.read(result)}`))
    return { told, subscription }
  }

  eventually<T>(what: string, look: () => T | undefined | Promise<T | undefined>): Promise<T> {
    return eventually(what, this.patienceMs, look)
  }

  async quiet(): Promise<void> {
    await sleep(this.options.quietMs ?? 100)
  }

  async close(): Promise<void> {
    for (const peer of this.#peers) await within('close', 10_000, peer.backend.close())
    await this.harness.close()
  }
}

export interface ResultBackendSuite extends SceneSuite<ResultBackendScene, ResultBackendAbility> {
  readonly options: ResultBackendConformanceOptions
}

export function makeResultBackendSuite(
  makeHarness: () => Promise<ResultBackendHarness>,
  options: ResultBackendConformanceOptions,
): ResultBackendSuite {
  const makeScene = async (): Promise<ResultBackendScene> =>
    new ResultBackendScene(await makeHarness(), options)
  return { ...makeSceneSuite<ResultBackendScene, ResultBackendAbility>(makeScene, options), options }
}
