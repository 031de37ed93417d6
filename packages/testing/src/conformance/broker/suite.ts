/** The broker suite's own words for {@link makeSceneSuite}. */
import { makeSceneSuite, type SceneSuite } from '../scene-suite.ts'
import type { BrokerAbility, BrokerConformanceOptions, BrokerHarness } from './harness.ts'
import { BrokerScene } from './scene.ts'

export interface BrokerSuite extends SceneSuite<BrokerScene, BrokerAbility> {
  readonly options: BrokerConformanceOptions
}

export function makeBrokerSuite(
  makeHarness: () => Promise<BrokerHarness>,
  options: BrokerConformanceOptions,
): BrokerSuite {
  const makeScene = async (): Promise<BrokerScene> => new BrokerScene(await makeHarness(), options)
  return { ...makeSceneSuite<BrokerScene, BrokerAbility>(makeScene, options), options }
}
