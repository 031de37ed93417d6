import { mkdtempSync, rmSync, writeFileSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { describe, expect, it } from 'vitest'
import { failuresOf, failuresOfTask, lineOf, tallyOfSummary, tallyOfTask } from './tally.ts'

const file = (status: string, ...tests: string[]) => ({
  name: 'a.test.ts',
  status,
  assertionResults: tests.map((one, n) => ({ status: one, fullName: `test ${n}` })),
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

  it('names what failed: tests, files without a failing test, the run', () => {
    const testResults = [file('failed', 'passed', 'failed', 'failed'), file('passed', 'passed')]
    const titles = ['a.test.ts > test 1', 'a.test.ts > test 2']
    expect(failuresOf({ success: false, testResults })).toEqual(titles)
    expect(failuresOf({ success: false, testResults: [file('failed', 'passed')] })).toEqual(['a.test.ts'])
    expect(failuresOf({ success: false, testResults: [file('passed', 'passed')] })).toEqual([
      'the run itself',
    ])
    expect(failuresOf({ success: true, testResults: [file('passed', 'passed')] })).toEqual([])
  })
})

it('what failed in a task is read from its summary, and unknown without one', () => {
  const folder = mkdtempSync(join(tmpdir(), 'ct-tally-'))
  try {
    const summary = join(folder, 'summary.json')
    writeFileSync(summary, JSON.stringify({ success: false, testResults: [file('failed', 'failed')] }))
    expect(failuresOfTask(summary)).toEqual(['a.test.ts > test 0'])
    expect(failuresOfTask(join(folder, 'no.json'))).toBeUndefined()
    expect(failuresOfTask(undefined)).toBeUndefined()
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
})

it('a task without summary is one check', () => {
  expect(tallyOfTask(true, undefined)).toEqual({ passed: 1, failed: 0, skipped: 0 })
  expect(tallyOfTask(false, 'no/such/file.json')).toEqual({ passed: 0, failed: 1, skipped: 0 })
})

it('the last line names skipped tests only when there are any', () => {
  expect(lineOf({ passed: 3, failed: 0, skipped: 0 })).toBe('3 passed, 0 failed')
  expect(lineOf({ passed: 3, failed: 1, skipped: 2 })).toBe('3 passed, 1 failed, 2 skipped')
})
