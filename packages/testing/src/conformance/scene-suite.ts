/** Registers tests of a suite under their duty's number, each with a scene of its own that is closed whatever happens. */
import { chooseRunner, type TestRunner } from './runner.ts'

/** `false`: the capabilities rule the test out, and it is not even listed. A name: the ability of the harness that it needs. */
export type Needs<Ability extends string> = Ability | false | undefined

export interface SceneSuite<Scene, Ability extends string> {
  readonly runner: TestRunner
  test(title: string, body: (scene: Scene) => Promise<void>, needs?: Needs<Ability>): void
}

export function makeSceneSuite<Scene extends { close(): Promise<void> }, Ability extends string>(
  makeScene: () => Promise<Scene>,
  options: { readonly runner?: TestRunner; readonly without?: readonly Ability[] },
): SceneSuite<Scene, Ability> {
  const runner = chooseRunner(options.runner)
  return {
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
          const scene = await makeScene()
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
