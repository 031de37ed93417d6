/**
 * Which suites get a second attempt. A machine that stands still for seconds fails a test that is right, so few losses are no proof of a
 * defect; many are. The first attempt is printed in full and named at the end all the same.
 */

/** A suite that failed. */
export interface FailedSuite {
  /** `@ct/client:unit` */
  readonly id: string
  /** What failed in it; undefined when it left no summary. */
  readonly failures: readonly string[] | undefined
  /** Its process was ended by a fault of Node's own code. */
  readonly crashed: boolean
}

/** More suites than that, in one phase, are no accident. */
const mostSuites = 2
/** More tests than that, in one suite without servers, are none either. A server that stands still takes all tests of its suite along. */
const mostTests = 2
const withServers = new Set(['conformance', 'interop'])

/** The suites to try again: all that may be, or none when they are too many. */
export function secondAttemptsOf(failed: readonly FailedSuite[]): readonly string[] {
  const again = failed.filter(({ id, failures, crashed }) => {
    const target = id.split(':')[1] ?? ''
    if (crashed || withServers.has(target)) return true
    return target === 'unit' && failures !== undefined && failures.length <= mostTests
  })
  return again.length > mostSuites ? [] : again.map(({ id }) => id)
}
