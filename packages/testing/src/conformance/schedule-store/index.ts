/** Conformance suite of the ScheduleStore contract: one test or more for each duty S1…S6. */
import { changeTests } from './changes.ts'
import { firingTests } from './firing.ts'
import type { ScheduleStoreConformanceOptions, ScheduleStoreHarness } from './harness.ts'
import { leadingTests } from './leading.ts'
import { scheduleLifecycleTests } from './lifecycle.ts'
import { makeScheduleStoreSuite } from './scene.ts'
import { scheduleStoringTests } from './storing.ts'

export type {
  ScheduleStoreAbility,
  ScheduleStoreConformanceOptions,
  ScheduleStoreHarness,
} from './harness.ts'

/** Registers the suite. `makeHarness` is called once per test. */
export function scheduleStoreConformance(
  name: string,
  makeHarness: () => Promise<ScheduleStoreHarness>,
  options: ScheduleStoreConformanceOptions,
): void {
  const suite = makeScheduleStoreSuite(makeHarness, options)
  suite.runner.describe(`${name}: schedule store conformance`, () => {
    scheduleLifecycleTests(suite)
    scheduleStoringTests(suite)
    leadingTests(suite)
    changeTests(suite)
    firingTests(suite)
  })
}
