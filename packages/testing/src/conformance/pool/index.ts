/** Conformance suite of the Pool contract: one test or more for each duty P1…P10. */
import { makeSceneSuite } from '../scene-suite.ts'
import { dyingTests } from './dying.ts'
import { handingAheadTests } from './handing-ahead.ts'
import { resizingTests } from './resizing.ts'
import { runningTests } from './running.ts'
import { PoolScene, type PoolHarness } from './scene.ts'
import { startingTests } from './starting.ts'
import type { PoolConformanceOptions, PoolSuite } from './suite.ts'

export { runConformanceJob, type ConformanceJob } from './jobs.ts'
export type { PoolHarness } from './scene.ts'
export type { PoolConformanceOptions } from './suite.ts'

/** Registers the suite. `makeHarness` is called once per test and gives a pool that was not started. */
export function poolConformance(
  name: string,
  makeHarness: () => Promise<PoolHarness>,
  options: PoolConformanceOptions,
): void {
  const { capabilities } = options
  const slots = options.oneSlot === true ? 1 : 3
  const { runner, test } = makeSceneSuite<PoolScene, never>(
    async () => new PoolScene(await makeHarness(), makeHarness),
    options,
  )
  const suite: PoolSuite = {
    capabilities,
    options,
    slots,
    test,
    async fill(scene) {
      const jobs = Array.from({ length: slots }, () => scene.submit({ do: 'gate' }))
      for (const job of jobs) await job.atGate()
      return jobs
    },
  }
  runner.describe(`${name}: pool conformance`, () => {
    startingTests(suite)
    runningTests(suite)
    handingAheadTests(suite)
    dyingTests(suite)
    resizingTests(suite)
  })
}
