import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, afterEach, expect, it } from 'vitest'

const program = fileURLToPath(new URL('../fixtures/stalling-worker.ts', import.meta.url))
const running: ChildProcess[] = []
const folder = mkdtempSync(join(tmpdir(), 'ct-stalls-'))

afterEach(async () => {
  for (const child of running.splice(0)) {
    child.kill('SIGKILL')
    if (child.exitCode === null && child.signalCode === null) await once(child, 'exit')
  }
})

afterAll(() => rmSync(folder, { recursive: true, force: true }))

/** What it has written so far, and a promise of the moment from which that fits. */
function start(...words: readonly string[]) {
  const child = spawn(process.execPath, ['--conditions=@ct/source', '--no-warnings', program, ...words], {
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  running.push(child)
  let text = ''
  const fits = async (pattern: RegExp): Promise<RegExpExecArray> => {
    for (;;) {
      const match = pattern.exec(text)
      if (match !== null) return match
      await Promise.race([once(child.stdout, 'data'), once(child.stderr, 'data'), once(child, 'exit')])
      if (child.exitCode !== null) throw new Error(`it has ended: ${text}`)
    }
  }
  for (const stream of [child.stdout, child.stderr])
    stream.on('data', (chunk: Buffer) => (text += chunk.toString()))
  return { child, fits, written: () => text }
}

it('PAIN-2: a task that never lets go of the event loop is told while it keeps it, with its place in the code', async () => {
  const { fits } = start('spin', '--stall-report', '0.3')
  const [line] = await fits(
    /WARNING\/MainProcess\] The event loop has stood still for \d+\.\d s and still does, kept by task spin\[[-0-9a-f]{36}\]\. .*-P threads.*\n {4}at spinHere \(.*stalling-worker\.ts:14:\d+\)\n/,
  )
  expect(line).toContain('Heartbeats, lease renewals, remote control and signals wait for it.')
  // Again, less often.
  await fits(/stood still[^]*stood still/)
})

it('PAIN-2: as one line of JSON, in the log file', async () => {
  const logfile = join(folder, 'worker.log')
  start('spin', '--stall-report', '0.3', '--log-format', 'json', '--logfile', logfile)
  const told = (): string | undefined =>
    (existsSync(logfile) ? readFileSync(logfile, 'utf8') : '')
      .split('\n')
      .find((one) => one.includes('spinHere') && one.endsWith('}'))
  await expect.poll(told, { timeout: 15_000 }).toBeDefined()
  const record = JSON.parse(told()!) as Readonly<Record<string, unknown>>
  expect(record).toMatchObject({ level: 'WARNING', delayMs: expect.any(Number) })
  expect(record['traceback']).toMatch(/^ {4}at spinHere \(/)
})

it('PAIN-2: a call that is not JavaScript is told without its place, and goes on undisturbed', async () => {
  const { fits } = start('system', '--stall-report', '0.3')
  await fits(/still does, in a call that is not JavaScript\./)
  await fits(/system is back/)
  await fits(/The event loop stood still for/)
})

it('PAIN-2: a process that was halted as a whole is not blamed; 0 is never', async () => {
  const halted = start('idle', '--stall-report', '0.2')
  const without = start('spin', '--stall-report', '0')
  await halted.fits(/idle has run/)
  halted.child.kill('SIGSTOP')
  const spinning = start('spin', '--stall-report', '0.2')
  await spinning.fits(/still does/)
  halted.child.kill('SIGCONT')
  await spinning.fits(/still does[^]*still does[^]*still does/)
  expect(halted.written()).not.toContain('still does')
  expect(without.written()).not.toContain('still does')
  halted.child.kill('SIGTERM')
  const [exitCode] = (await once(halted.child, 'exit')) as [number]
  expect(exitCode).toBe(0)
})
