import { existsSync, readFileSync } from 'node:fs'

export interface Tally {
  passed: number
  failed: number
  skipped: number
}

/** The part of vitest's JSON summary that counts. */
interface Summary {
  readonly success: boolean
  readonly testResults: readonly {
    readonly status: string
    readonly assertionResults: readonly { readonly status: string }[]
  }[]
}

/**
 * Sums one vitest summary. A file that fails although none of its tests did (it does not load, or leaves something alive)
 * counts as one failure, and so does a run that fails although all of its files pass (an unhandled rejection).
 */
export function tallyOfSummary(summary: Summary): Tally {
  const tally: Tally = { passed: 0, failed: 0, skipped: 0 }
  for (const file of summary.testResults) {
    let failedHere = 0
    for (const { status } of file.assertionResults) {
      if (status === 'passed') tally.passed += 1
      else if (status === 'failed') failedHere += 1
      else tally.skipped += 1
    }
    if (failedHere === 0 && file.status === 'failed') failedHere = 1
    tally.failed += failedHere
  }
  if (!summary.success && tally.failed === 0) tally.failed = 1
  return tally
}

/** What one task contributes: its tests when it ran any, else one check. */
export function tallyOfTask(ok: boolean, summaryFile: string | undefined): Tally {
  const single: Tally = { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 }
  if (summaryFile === undefined || !existsSync(summaryFile)) return single
  const tally = tallyOfSummary(JSON.parse(readFileSync(summaryFile, 'utf8')) as Summary)
  if (!ok && tally.failed === 0) tally.failed = 1
  return tally
}

export function add(into: Tally, more: Tally): void {
  into.passed += more.passed
  into.failed += more.failed
  into.skipped += more.skipped
}

/** The line CI and people read: `N passed, N failed`, and `, N skipped` when there are any. */
export function lineOf({ passed, failed, skipped }: Tally): string {
  return `${passed} passed, ${failed} failed${skipped > 0 ? `, ${skipped} skipped` : ''}`
}
