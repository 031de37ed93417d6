/** The guard against leaks, by files that leak: each must fail, and one that cleans up must pass. */
import { spawn } from 'node:child_process'
import { mkdir, mkdtemp, rm, writeFile } from 'node:fs/promises'
import { join } from 'node:path'
import { fileURLToPath } from 'node:url'
import { afterAll, beforeAll, expect, it } from 'vitest'

const vitest = fileURLToPath(new URL('../../node_modules/vitest/vitest.mjs', import.meta.url))
const config = fileURLToPath(new URL('vitest.config.ts', import.meta.url))
const files = {
  timer: 'setInterval(() => {}, 1000)',
  server: "(await import('node:net')).createServer().listen(0, '127.0.0.1')",
  thread: "new (await import('node:worker_threads')).Worker('setInterval(() => {}, 1000)', { eval: true })",
  child:
    "(await import('node:child_process')).spawn(process.execPath, ['-e', 'setTimeout(() => {}, 20000)'])",
  socket:
    "const net = await import('node:net'); const server = net.createServer().listen(0, '127.0.0.1'); server.unref(); " +
    "await new Promise((resolve) => server.on('listening', resolve)); " +
    "await new Promise((resolve) => net.connect(server.address().port, '127.0.0.1').on('connect', resolve))",
  nothing: 'clearInterval(setInterval(() => {}, 1000))',
}
let folder = ''
let output = ''

beforeAll(async () => {
  // Below this checkout, since vitest is resolved from where a file lies; not below a package, which others lint meanwhile.
  const results = join(import.meta.dirname, '../../.test-results')
  await mkdir(results, { recursive: true })
  folder = await mkdtemp(join(results, 'leaks-'))
  for (const [name, body] of Object.entries(files)) {
    const source = `import { it } from 'vitest'\nit('${name}', async () => { ${body} })\n`
    await writeFile(join(folder, `${name}.test.ts`), source)
  }
  const child = spawn(process.execPath, [vitest, 'run', '--config', config, '--root', folder], {
    env: { ...process.env, CT_SUITE: 'unit', NO_COLOR: '1' },
  })
  for (const stream of [child.stdout, child.stderr])
    stream.setEncoding('utf8').on('data', (text: string) => (output += text))
  await new Promise((resolve) => child.on('close', resolve))
  // Each of five files is waited for, for five seconds.
}, 240_000)

afterAll(async () => {
  await rm(folder, { recursive: true, force: true })
})

it.each([
  ['timer', '1 × Timeout'],
  ['server', '1 × TCPServerWrap'],
  ['thread', '1 × Worker'],
  ['child', '1 × ProcessWrap'],
  ['socket', 'TCPSocketWrap. Sockets: [0-9]+ → 127\\.0\\.0\\.1:[0-9]+ \\(open, 0 bytes read, 0 unread\\)'],
])('a file that leaves a %s alive fails, and is told of %s', (name, what) => {
  expect(output).toMatch(new RegExp(`FAIL .*${name}\\.test\\.ts[^]*?this file leaves alive: [^\\n]*${what}`))
})

it('a file that cleans up passes', () => {
  expect(output).toMatch(/✓ .*nothing\.test\.ts/)
  expect(output).toMatch(/Test Files +5 failed \| 1 passed/)
})
