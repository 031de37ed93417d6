/** Pools in processes that are unlike the one of the tests: what is said of children that cannot be started, and what Node's options mean for them. */
import { execFile, spawn } from 'node:child_process'
import { once } from 'node:events'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { childOptions } from './child-options.ts'

const run = promisify(execFile)
const script = fileURLToPath(new URL('../test/out-of-files.ts', import.meta.url))

/** A worker with two children, one of which computes for ever; prints their process ids. */
const orphaning = `
const { processesPool } = await import('@ct/pool-processes')
const pool = processesPool()
await pool.start({
  size: 2,
  entry: new URL(import.meta.resolve('@ct/testing/conformance/slot-entry')),
  modules: ['data:text/javascript,'],
  config: null,
  onSlotError: console.error,
})
const body = new TextEncoder().encode(JSON.stringify({ do: 'spin' }))
pool.submit(
  { jobId: 1, taskId: 'x', taskName: 'x', body, contentType: '', contentEncoding: '', request: {} },
  { onAccepted: () => console.log(JSON.stringify(pool.info().processes)), onMessage: () => Promise.resolve() },
)
`

function lives(pid: number): boolean {
  try {
    return process.kill(pid, 0)
  } catch {
    return false
  }
}

describe('pool-processes', () => {
  it('P7: children end with a worker that is killed, whatever they do', async () => {
    const worker = spawn(
      process.execPath,
      ['--conditions=@ct/source', '--input-type=module', '-e', orphaning],
      { cwd: fileURLToPath(new URL('.', import.meta.url)), stdio: ['ignore', 'pipe', 'inherit'] },
    )
    const [line] = (await once(worker.stdout, 'data')) as [Buffer]
    const pids = JSON.parse(line.toString()) as number[]
    expect(pids.map(lives)).toEqual([true, true])
    worker.kill('SIGKILL')
    await expect.poll(() => pids.map(lives), { timeout: 20_000 }).toEqual([false, false])
  })

  it.skipIf(process.platform === 'win32')(
    'P7: a child that cannot be started does not take the worker down, and is tried again',
    async () => {
      const line = 'ulimit -n 128 && exec "$0" --conditions=@ct/source "$1"'
      const { stdout } = await run('sh', ['-c', line, process.execPath, script])
      const heard = stdout.trim().split('\n')
      expect(heard.slice(0, 3)).toEqual(['opening', 'started', 'exited'])
      expect(heard).toContainEqual(expect.stringMatching(/could not start: .*EMFILE.*Trying again in 100 ms/))
      expect(heard.slice(-3)).toEqual(['opening', 'started', 'exited'])
    },
  )

  it.each([
    [['--import', './a.mjs', '--enable-source-maps', '-r', './b.cjs']],
    [['--conditions=dev', '--max-old-space-size=64']],
  ])('%j go to the children', (options) => {
    expect(childOptions(options)).toEqual(options)
  })

  it.each([
    [['--inspect'], []],
    [
      ['--inspect-brk=127.0.0.1:9229', '--inspect-port', '9230', '--import', './a.mjs'],
      ['--import', './a.mjs'],
    ],
    [
      ['--input-type=module', '-e', 'go()', '--import', './a.mjs'],
      ['--import', './a.mjs'],
    ],
    [['--input-type', 'module', '--eval=go()'], []],
    [['-p', '-e', 'go()'], []],
    [['-pe', 'go()', '-i'], []],
  ])('of %j go %j', (given, left) => {
    expect(childOptions(given)).toEqual(left)
  })
})
