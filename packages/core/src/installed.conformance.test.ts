/**
 * What users install: the packed tarballs, in an empty folder, by npm and by pnpm, with the README's example on Redis. Nothing but the two
 * packages of the README is named; the others come as their dependencies, from the tarballs too.
 */
import { spawn } from 'node:child_process'
import { existsSync, mkdirSync, readFileSync, symlinkSync, writeFileSync } from 'node:fs'
import { stripTypeScriptTypes } from 'node:module'
import { delimiter, dirname, join } from 'node:path'
import { afterAll, beforeAll, describe, expect, it } from 'vitest'
import { freshRedis, guardedDirectory, guardProcess, isCi, oldestNode, tryServices } from '@ct-tools/services'

const workspace = join(import.meta.dirname, '../../..')
const tarball = (name: string): string => join(workspace, `.test-results/pack/packages-${name}.tgz`)
const named = ['core', 'broker-redis'] as const
const others = ['beat', 'broker-memory', 'cli', 'client', 'contracts', 'worker'] as const
const missing = [...named, ...others].filter((name) => !existsSync(tarball(name)))
if (missing.length > 0) {
  const message = `not packed: ${missing.join(', ')}. Run: pnpm nx run @ct/core:conformance`
  if (isCi()) throw new Error(message)
  console.warn(`installed packages: skipped, ${message}`)
}
const present = missing.length === 0 && (await tryServices(['redis'])) !== undefined

const { packageManager } = JSON.parse(readFileSync(join(workspace, 'package.json'), 'utf8')) as {
  packageManager: string
}
const dependencies = Object.fromEntries(named.map((name) => [`@ct/${name}`, `file:${tarball(name)}`]))
const overrides = Object.fromEntries(others.map((name) => [`@ct/${name}`, `file:${tarball(name)}`]))

const managers = {
  npm: {
    prepare: (folder: string) =>
      writeFileSync(
        join(folder, 'package.json'),
        JSON.stringify({ private: true, type: 'module', dependencies, overrides }),
      ),
    command: ['npm', 'install', '--no-audit', '--no-fund'],
  },
  pnpm: {
    prepare: (folder: string) => {
      writeFileSync(
        join(folder, 'package.json'),
        JSON.stringify({ private: true, type: 'module', dependencies }),
      )
      writeFileSync(join(folder, 'pnpm-workspace.yaml'), `overrides: ${JSON.stringify(overrides)}\n`)
    },
    command: ['npx', '--yes', packageManager, 'install'],
  },
} as const

interface Ran {
  readonly code: number | null
  readonly out: string
  readonly err: string
}

function run(
  folder: string,
  command: readonly string[],
  onOutput?: (text: string, stop: (signal?: NodeJS.Signals) => void) => void,
): Promise<Ran> {
  const [program = '', ...args] = command
  // As a user's shell would have it: nothing of the workspace's.
  const env = Object.fromEntries(
    Object.entries(process.env).filter(
      ([name]) => !/^(npm_|NODE_OPTIONS$|NX_|CELERY_|VITEST|FORCE_COLOR$)/.test(name),
    ),
  )
  const child = guardProcess(
    spawn(program, args, {
      cwd: folder,
      env: { ...env, NO_COLOR: '1', PATH: `${dirname(process.execPath)}${delimiter}${env['PATH']}` },
      detached: true,
      stdio: ['ignore', 'pipe', 'pipe'],
    }),
  )
  const written = { out: '', err: '' }
  child.stdout.setEncoding('utf8').on('data', (text: string) => (written.out += text))
  child.stderr.setEncoding('utf8').on('data', (text: string) => {
    written.err += text
    onOutput?.(written.err, (signal = 'SIGTERM') => child.kill(signal))
  })
  return new Promise((resolve, reject) => {
    child.on('error', reject)
    child.on('close', (code) => resolve({ code, ...written }))
  })
}

/** The README's code block of that file, on this Redis. */
function example(file: string, redis: string): string {
  const readme = readFileSync(join(workspace, 'README.md'), 'utf8')
  const block = new RegExp(`^\`\`\`ts ${file.replace('.', '\\.')}[^\\n]*\\n(.*?)^\`\`\``, 'ms').exec(
    readme,
  )?.[1]
  if (block === undefined) throw new Error(`README.md has no example called ${file}`)
  return block.replaceAll('redis://localhost', redis)
}

describe.skipIf(!present).each(['npm', 'pnpm'] as const)('installed by %s', (manager) => {
  const folder = present ? guardedDirectory(`installed-${manager}`) : ''
  let redis: Awaited<ReturnType<typeof freshRedis>>
  const node = process.execPath
  const ct = join(folder, 'node_modules/@ct/core/bin/ct.js')

  beforeAll(async () => {
    redis = await freshRedis()
    managers[manager].prepare(folder)
    const ran = await run(folder, managers[manager].command)
    if (ran.code !== 0) throw new Error(`${manager} failed:\n${ran.out}${ran.err}`)
    writeFileSync(join(folder, 'example.ts'), example('example.ts', redis.url))
    writeFileSync(join(folder, 'tasks.ts'), example('tasks.ts', redis.url))
    for (const name of ['example', 'tasks']) {
      writeFileSync(
        join(folder, `${name}.js`),
        stripTypeScriptTypes(readFileSync(join(folder, `${name}.ts`), 'utf8')),
      )
    }
  }, 120_000)
  afterAll(async () => {
    await redis[Symbol.asyncDispose]()
  })

  it('runs the README’s example, in TypeScript and in plain JavaScript', async () => {
    for (const file of ['example.ts', 'example.js']) {
      const ran = await run(folder, [node, file])
      expect({ file, ...ran }).toEqual({ file, code: 0, out: '4\n', err: '' })
    }
  })

  it('runs it on the oldest Node that is supported', async () => {
    const { engines } = JSON.parse(
      readFileSync(join(folder, 'node_modules/@ct/core/package.json'), 'utf8'),
    ) as { readonly engines: { readonly node: string } }
    const { out: version } = await run(folder, [oldestNode(), '--version'])
    expect(version.trim()).toBe(`v${engines.node.replace('>=', '')}.0`)
    const ran = await run(folder, [oldestNode(), '--disable-warning=ExperimentalWarning', 'example.ts'])
    expect(ran).toEqual({ code: 0, out: '4\n', err: '' })
  })

  it.each([
    ['this version', join(workspace, 'node_modules/@types/node')],
    ['the newest version', join(workspace, 'packages/core/node_modules/types-node-newest')],
  ])(
    'has types that the compiler accepts, libraries included, with %s of Node’s types',
    async (name, nodeTypes) => {
      const tsc = join(workspace, 'node_modules/typescript/bin/tsc')
      const roots = join(folder, `types of ${name}`)
      mkdirSync(roots)
      symlinkSync(nodeTypes, join(roots, 'node'))
      const types = ['--typeRoots', roots, '--types', 'node']
      const strict = ['--strict', '--exactOptionalPropertyTypes', '--noUncheckedIndexedAccess']
      const target = [
        '--target',
        'es2024',
        '--module',
        'nodenext',
        '--allowImportingTsExtensions',
        '--noEmit',
      ]
      const ran = await run(folder, [node, tsc, ...target, ...strict, ...types, 'example.ts', 'tasks.ts'])
      expect(ran).toEqual({ code: 0, out: '', err: '' })
    },
  )

  it.each([
    ['tasks.ts', 'this Node', node],
    ['tasks.js', 'this Node', node],
    ['tasks.ts', 'the oldest one', oldestNode()],
  ])('has a ct that works off %s on %s', async (file, _name, executable) => {
    const command = [executable, ct]
    const callAndAsk = async (): Promise<Ran> => {
      const call = await run(folder, [...command, 'call', 'node.add', '-a', '[20, 22]', '-A', `./${file}`])
      return await run(folder, [...command, 'result', call.out.trim(), '-A', `./${file}`, '--timeout', '10'])
    }
    let called: Promise<Ran> | undefined
    const worker = await run(
      folder,
      [...command, 'worker', '-A', `./${file}`, '-Q', 'node', '-l', 'info'],
      (log, stop) => {
        if (called !== undefined || !log.includes('ready.')) return
        called = callAndAsk().finally(stop)
      },
    )
    expect(worker).toMatchObject({ code: 0, out: expect.stringContaining('node.add') })
    expect(await called).toEqual({ code: 0, out: '42\n', err: '' })
  })

  it('PAIN-2: tells of an event loop that stands still, from a thread of its own', async () => {
    const lines = [
      "import { createApp } from '@ct/core'",
      "export const app = createApp({ name: 'stall', broker: 'memory://stall', backend: 'memory://stall' })",
      "const spin = app.task('spin', () => {",
      '  for (;;);',
      '})',
      'app.signals.workerReady.connect(async () => void (await spin.delay()))',
    ]
    writeFileSync(join(folder, 'stall.js'), lines.join('\n'))
    const { err } = await run(
      folder,
      [node, ct, 'worker', '-A', './stall.js', '--stall-report', '0.3'],
      (log, stop) => {
        if (log.includes('stall.js:4:')) stop('SIGKILL')
      },
    )
    expect(err).toMatch(/still does, kept by task spin\[/)
  })
})
