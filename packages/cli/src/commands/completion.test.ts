import { spawnSync } from 'node:child_process'
import { describe, expect, it } from 'vitest'
import { ct } from '../fixtures/run-ct.ts'

const bash = spawnSync('bash', ['--version']).status === 0
const fish = spawnSync('fish', ['--version']).status === 0
const zsh = spawnSync('zsh', ['--version']).status === 0

/** What bash offers after these words. */
async function offered(...words: readonly string[]): Promise<string[]> {
  const { out } = await ct('completion', 'bash')
  const list = words.map((word) => `'${word}'`).join(' ')
  const script = `${out}\nCOMP_WORDS=(${list}); COMP_CWORD=${words.length - 1}; _ct_complete; printf '%s\\n' "\${COMPREPLY[@]}"`
  const run = spawnSync('bash', ['--norc', '-c', script], { encoding: 'utf8' })
  expect(run.stderr).toBe('')
  return run.stdout.split('\n').filter((line) => line !== '')
}

describe.skipIf(!bash)('completion in bash', () => {
  it('FW-88: offers commands and global options', async () => {
    expect(await offered('ct', 'wo')).toEqual(['worker'])
    expect(await offered('ct', '--bro')).toEqual(['--broker'])
  })

  it('offers what follows a command, also behind other options', async () => {
    expect(await offered('ct', 'inspect', 'active')).toEqual(['active', 'active_queues'])
    expect(await offered('ct', '-A', 'tasks.ts', 'parked', 'r')).toEqual(['retry'])
    expect(await offered('ct', 'worker', '--conc')).toEqual(['--concurrency'])
    expect(await offered('ct', 'control', 'revoke', '--dest')).toEqual(['--destination'])
  })

  it('offers the values of an option where they are known, and leaves files to the shell', async () => {
    expect(await offered('ct', 'worker', '--log-format', '')).toEqual(['text', 'json'])
    expect(await offered('ct', '-A', '')).toEqual([])
  })
})

describe('completion scripts', () => {
  it.skipIf(!zsh)('FW-88: is valid zsh', async () => {
    const { out } = await ct('completion', 'zsh')
    expect(spawnSync('zsh', ['-n', '-c', out], { encoding: 'utf8' }).stderr).toBe('')
  })

  it.skipIf(!fish)('is valid fish', async () => {
    const { out } = await ct('completion', 'fish')
    expect(spawnSync('fish', ['--no-execute', '-c', out], { encoding: 'utf8' }).stderr).toBe('')
  })

  it('of zsh rests on that of bash', async () => {
    expect((await ct('completion', 'zsh')).out).toContain('bashcompinit')
  })

  it('of fish describes commands and options', async () => {
    const { out } = await ct('completion', 'fish')
    expect(out).toContain(`-a worker -d 'work off tasks'`)
    expect(out).toContain(`complete -c ct -n '__fish_seen_subcommand_from worker' -s c -l concurrency -r -F`)
    expect(out).toContain(`-l log-format -x -a 'text json'`)
  })
})
