import { describe, expect, it } from 'vitest'
import { lineOf, tallyOfSummary, tallyOfTask } from './tally.ts'

const file = (status: string, ...tests: string[]) => ({
  status,
  assertionResults: tests.map((one) => ({ status: one })),
})

describe('a vitest summary', () => {
  it('counts tests; whatever is neither passed nor failed is skipped', () => {
    const testResults = [file('failed', 'passed', 'failed', 'pending', 'todo'), file('passed', 'passed')]
    expect(tallyOfSummary({ success: false, testResults })).toEqual({ passed: 2, failed: 1, skipped: 2 })
  })

  it('counts a file that fails without a failing test', () => {
    const testResults = [file('failed', 'passed'), file('failed')]
    expect(tallyOfSummary({ success: false, testResults })).toEqual({ passed: 1, failed: 2, skipped: 0 })
  })

  it('counts a run that fails with all files passed', () => {
    expect(tallyOfSummary({ success: false, testResults: [file('passed', 'passed')] }).failed).toBe(1)
  })
})

it('a task without summary is one check', () => {
  expect(tallyOfTask(true, undefined)).toEqual({ passed: 1, failed: 0, skipped: 0 })
  expect(tallyOfTask(false, 'no/such/file.json')).toEqual({ passed: 0, failed: 1, skipped: 0 })
})

it('the last line names skipped tests only when there are any', () => {
  expect(lineOf({ passed: 3, failed: 0, skipped: 0 })).toBe('3 passed, 0 failed')
  expect(lineOf({ passed: 3, failed: 1, skipped: 2 })).toBe('3 passed, 1 failed, 2 skipped')
})
