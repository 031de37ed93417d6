/** Pools in processes that are unlike the one of the tests: what is said of children that cannot be started, and what Node's options mean for them. */
import { execFile } from 'node:child_process'
import { fileURLToPath } from 'node:url'
import { promisify } from 'node:util'
import { describe, expect, it } from 'vitest'
import { childOptions } from './child-options.ts'

const run = promisify(execFile)
const script = fileURLToPath(new URL('../test/out-of-files.ts', import.meta.url))

describe('pool-processes', () => {
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
