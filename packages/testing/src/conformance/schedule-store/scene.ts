/** What the tests of the schedule store suite have in hand. */
import {
  isCeleryError,
  type ScheduleStore,
  type ScheduleStoreConnection,
  type StoredScheduleEntry,
} from '@ct/contracts'
import { makeSceneSuite, type SceneSuite } from '../scene-suite.ts'
import { rejection, within } from '../waiting.ts'
import type {
  ScheduleStoreAbility,
  ScheduleStoreConformanceOptions,
  ScheduleStoreHarness,
} from './harness.ts'

export interface ScheduleStoreSuite extends SceneSuite<Scene, ScheduleStoreAbility> {
  readonly capabilities: ScheduleStoreConformanceOptions['capabilities']
  readonly leadMs: number
  readonly patienceMs: number
}

export function makeScheduleStoreSuite(
  makeHarness: () => Promise<ScheduleStoreHarness>,
  options: ScheduleStoreConformanceOptions,
): ScheduleStoreSuite {
  return {
    ...makeSceneSuite<Scene, ScheduleStoreAbility>(async () => new Scene(await makeHarness()), options),
    capabilities: options.capabilities,
    leadMs: options.leadMs ?? 150,
    patienceMs: options.patienceMs ?? 5_000,
  }
}

export class Scene {
  readonly harness: ScheduleStoreHarness
  readonly #stores: ScheduleStore[] = []

  constructor(harness: ScheduleStoreHarness) {
    this.harness = harness
  }

  async store(): Promise<ScheduleStore> {
    const store = await this.harness.store()
    this.#stores.push(store)
    return store
  }

  async connect(): Promise<ScheduleStoreConnection> {
    return (await this.store()).connect({ onNotice: () => {} })
  }

  async close(): Promise<void> {
    for (const store of this.#stores) await within('close', 10_000, store.close())
    await this.harness.close()
  }
}

export function entry(name: string, more: Partial<StoredScheduleEntry> = {}): StoredScheduleEntry {
  return {
    name,
    task: 'proj.add',
    schedule: { type: 'crontab', minute: '*/5', hour: '*', nested: { a: [1, null] } },
    args: '[1, 2.0, "ü"]',
    kwargs: '{"big": 12345678901234567890}',
    options: '{"queue": "q"}',
    enabled: true,
    oneOff: false,
    startAt: undefined,
    expiresAt: undefined,
    description: '',
    origin: 'run-time',
    lastRunAt: undefined,
    totalRunCount: 0,
    ...more,
  }
}

export async function names(connection: ScheduleStoreConnection): Promise<string[]> {
  return (await connection.load()).entries.map(({ name }) => name).toSorted()
}

export async function code(promise: Promise<unknown>): Promise<string | undefined> {
  const error = await rejection(promise)
  return isCeleryError(error) ? error.code : error.message
}
