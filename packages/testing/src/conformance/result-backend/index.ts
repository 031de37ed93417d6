/** Conformance suite of the ResultBackend contract: one test or more for each duty R1…R13. */
import { chordTests } from './chords.ts'
import type { ResultBackendConformanceOptions, ResultBackendHarness } from './harness.ts'
import { backendLifecycleTests } from './lifecycle.ts'
import { makeResultBackendSuite } from './scene.ts'
import { storingTests } from './storing.ts'
import { subscribingTests } from './subscribing.ts'

export type {
  ResultBackendAbility,
  ResultBackendConformanceOptions,
  ResultBackendHarness,
  ResultBackendPeer,
} from './harness.ts'

/** Registers the suite. `makeHarness` is called once per test. */
export function resultBackendConformance(
  name: string,
  makeHarness: () => Promise<ResultBackendHarness>,
  options: ResultBackendConformanceOptions,
): void {
  const suite = makeResultBackendSuite(makeHarness, options)
  suite.runner.describe(`${name}: result backend conformance (BACK-4)`, () => {
    backendLifecycleTests(suite)
    storingTests(suite)
    subscribingTests(suite)
    chordTests(suite)
  })
}
