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
    readonly name: string
    readonly status: string
    readonly assertionResults: readonly { readonly status: string; readonly fullName: string }[]
  }[]
}

/**
 * What failed in a vitest run: tests, as `file > title`. A file that fails although none of its tests did (it does not load, or leaves
 * something alive) counts as one failure, and so does a run that fails although all of its files pass (an unhandled rejection).
 */
export function failuresOf(summary: Summary): string[] {
  const failures: string[] = []
  for (const { name, status, assertionResults } of summary.testResults) {
    const titles = assertionResults.filter((test) => test.status === 'failed').map((test) => test.fullName)
    if (titles.length > 0) failures.push(...titles.map((title) => `${name} > ${title}`))
    else if (status === 'failed') failures.push(name)
  }
  if (!summary.success && failures.length === 0) failures.push('the run itself')
  return failures
}

/** Sums one vitest summary. */
export function tallyOfSummary(summary: Summary): Tally {
  const tally: Tally = { passed: 0, failed: failuresOf(summary).length, skipped: 0 }
  for (const { status } of summary.testResults.flatMap((file) => file.assertionResults)) {
    if (status === 'passed') tally.passed += 1
    else if (status !== 'failed') tally.skipped += 1
  }
  return tally
}

function read(summaryFile: string | undefined): Summary | undefined {
  if (summaryFile === undefined || !existsSync(summaryFile)) return undefined
  return JSON.parse(readFileSync(summaryFile, 'utf8')) as Summary
}

/** What failed in one task; undefined when it left no summary. */
export function failuresOfTask(summaryFile: string | undefined): string[] | undefined {
  const summary = read(summaryFile)
  return summary === undefined ? undefined : failuresOf(summary)
}

/** What one task contributes: its tests when it ran any, else one check. */
export function tallyOfTask(ok: boolean, summaryFile: string | undefined): Tally {
  const summary = read(summaryFile)
  if (summary === undefined) return { passed: ok ? 1 : 0, failed: ok ? 0 : 1, skipped: 0 }
  const tally = tallyOfSummary(summary)
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
