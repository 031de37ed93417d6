import { type ChildProcess, spawn } from 'node:child_process'
import { once } from 'node:events'
import { existsSync } from 'node:fs'
import { createInterface } from 'node:readline'
import { afterEach, expect, it } from 'vitest'
import { isAlive } from './detached.ts'

const SOURCE = `
import { startPrivateRedis } from ${JSON.stringify(new URL('private-redis.ts', import.meta.url).href)}
const server = await startPrivateRedis()
console.log(JSON.stringify({ pid: server.pid, folder: server.folder }))
process.on('message', (how) => {
  if (how === 'throw') throw new Error('on purpose')
  process.exit(0)
})
`

let child: ChildProcess | undefined

afterEach(() => child?.kill('SIGKILL'))

/** A process that starts a Redis server and then waits for its end. */
async function startOwner(): Promise<{ pid: number; folder: string }> {
  child = spawn(process.execPath, ['--conditions=@ct/source', '--input-type=module', '-e', SOURCE], {
    stdio: ['ignore', 'pipe', 'ignore', 'ipc'],
  })
  if (!child.stdout) throw new Error('no pipe')
  const [line] = (await once(createInterface({ input: child.stdout }), 'line')) as [string]
  return JSON.parse(line) as { pid: number; folder: string }
}

const ends: Record<string, (owner: ChildProcess) => unknown> = {
  'is killed with SIGKILL': (owner) => owner.kill('SIGKILL'),
  'is stopped with SIGINT': (owner) => owner.kill('SIGINT'),
  throws: (owner) => owner.send('throw'),
  exits: (owner) => owner.send('exit'),
}

for (const [how, end] of Object.entries(ends)) {
  it(`takes children and folders along when the process ${how}`, async () => {
    const { pid, folder } = await startOwner()
    expect(await isAlive(pid)).toBe(true)
    expect(existsSync(folder)).toBe(true)
    if (child) end(child)
    await expect.poll(async () => (await isAlive(pid)) || existsSync(folder)).toBe(false)
  })
}
