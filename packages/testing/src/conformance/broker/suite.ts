/** Registers tests of the broker suite under their duty's number. */
import { chooseRunner, type TestRunner } from '../runner.ts'
import type { BrokerAbility, BrokerConformanceOptions, BrokerHarness } from './harness.ts'
import { BrokerScene } from './scene.ts'

/** Why a test does not concern this broker; undefined: it does. */
export type Needs = BrokerAbility | false | undefined

export interface BrokerSuite {
  readonly options: BrokerConformanceOptions
  readonly runner: TestRunner
  /** `needs` false: the capabilities rule the test out, and it is not even listed. An ability that is missing: it is listed as skipped. */
  test(title: string, body: (scene: BrokerScene) => Promise<void>, needs?: Needs): void
}

export function makeBrokerSuite(makeHarness: () => Promise<BrokerHarness>, options: BrokerConformanceOptions): BrokerSuite {
  const runner = chooseRunner(options.runner)
  return {
    options,
    runner,
    test(title, body, needs) {
      if (needs === false) return
      if (needs !== undefined && options.without?.includes(needs) === true) {
        runner.it.skip(`${title} (this harness has no ${needs})`)
        return
      }
      runner.it(
        title,
        async () => {
          const scene = new BrokerScene(await makeHarness(), options)
          try {
            await body(scene)
          } finally {
            await scene.close()
          }
        },
        60_000,
      )
    },
  }
}
