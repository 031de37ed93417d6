/**
 * The few functions of a test runner that the suites need. Vitest's are used when nothing else is passed; `node:test`, jest and mocha
 * have the same ones.
 */
export interface TestRunner {
  describe(name: string, body: () => void): void
  it: {
    (name: string, body: () => Promise<void>, timeoutMs?: number): void
    skip(name: string, body?: () => Promise<void>): void
  }
}

/** Undefined outside a vitest run, or where vitest is not installed. */
const vitest: TestRunner | undefined = await import('vitest').then(
  ({ describe, it }) => ({ describe, it }) as unknown as TestRunner,
  () => undefined,
)

/** The runner that was passed, else vitest's. */
export function chooseRunner(given: TestRunner | undefined): TestRunner {
  const runner = given ?? vitest
  if (runner === undefined) {
    throw new Error('No test runner: run the suite under vitest, or pass `runner: { describe, it }`.')
  }
  return runner
}
