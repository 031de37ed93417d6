import { expect, it } from 'vitest'
import { runDemo } from './run-demo.ts'

it('the demo runs in one process and shows what came out, in plain lines', async () => {
  const { code, out, err } = await runDemo()
  expect(err).toBe('')
  expect(code).toBe(0)
  expect(out).toMatch(/the worker in this process, the messages on memory:\/\//)
  expect(out).toMatch(/word count +\d+ files, \d+ words; most often \S+ \d+/)
  expect(out).toMatch(/retry +the service said 503.*retry +succeeded at attempt 2/s)
  expect(out).toMatch(/progress +frame \d+ of 20.*progress +20 frames rendered/s)
  expect(out).toMatch(/Done in \d\.\d\d s\.\nNext: npm run demo -- --broker redis:\/\/localhost /)
  expect(out).not.toContain('\x1b')
})

it('a broker that is not there: which, and how long it was tried', async () => {
  const { code, out, err } = await runDemo('--broker', 'redis://:secret@127.0.0.1:1')
  expect(code).toBe(1)
  expect(out).toBe('')
  expect(err).toMatch(
    /^The demo cannot go on: The broker redis:\/\/:\*\*@127\.0\.0\.1:1 could not be reached within 3000 ms: .*ECONNREFUSED/,
  )
  expect(err).not.toContain('secret')
})
