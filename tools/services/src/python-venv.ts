import { createHash } from 'node:crypto'
import { existsSync, readFileSync, rmSync, writeFileSync } from 'node:fs'
import { basename, join } from 'node:path'
import { cacheDirectory } from './cache.ts'
import { ServiceError } from './errors.ts'
import { canInstallPackages, installPackages } from './install.ts'
import { withLock } from './lock.ts'
import { say } from './progress.ts'
import { findProgram, run } from './run.ts'

export interface Venv {
  folder: string
  python: string
  /** Path of a script that its packages installed, e.g. `celery`. */
  script(name: string): string
}

/**
 * A Python with the packages of a requirements file, made once and kept in the user's cache folder under a name that holds a
 * hash of that file and the interpreter: change either and another one is made. One process makes it, others wait.
 *
 * @throws {ServiceError} `CT_SERVICE_MISSING` without a Python (3.10 or later, `CT_PYTHON` overrides) that has `venv`;
 *   `CT_SERVICE_FAILED` with the end of pip's output when packages cannot be installed.
 */
export async function ensureVenv(name: string, requirementsFile: string): Promise<Venv> {
  const interpreter = await findPython()
  const folder = folderOf(name, requirementsFile, interpreter)
  const finished = join(folder, 'finished')
  if (!existsSync(finished)) {
    await withLock(`venv-${basename(folder)}`, async () => {
      if (existsSync(finished)) return
      await make(name, interpreter.path, folder, requirementsFile)
      writeFileSync(finished, '')
    })
  }
  const bin = join(folder, 'bin')
  return { folder, python: join(bin, 'python'), script: (script) => join(bin, script) }
}

/** Whether `ensureVenv` would find it made. */
export async function venvIsMade(name: string, requirementsFile: string): Promise<boolean> {
  const interpreter = await lookForPython()
  return (
    interpreter !== undefined && existsSync(join(folderOf(name, requirementsFile, interpreter), 'finished'))
  )
}

function folderOf(name: string, requirementsFile: string, interpreter: Interpreter): string {
  const hash = createHash('sha256').update(readFileSync(requirementsFile)).update(interpreter.identity)
  return join(cacheDirectory('python'), `${name}-${hash.digest('hex').slice(0, 16)}`)
}

async function make(name: string, python: string, folder: string, requirementsFile: string): Promise<void> {
  say(name, 'making a Python environment (once; it is kept in the cache folder)')
  const began = performance.now()
  // What an interrupted attempt left is not trusted.
  rmSync(folder, { recursive: true, force: true })
  const check = async (what: string, command: string, args: readonly string[]): Promise<void> => {
    const onLine = (line: string): void => {
      const match = /^(Collecting \S+|Installing collected packages)/.exec(line)
      if (match) say(name, match[0])
    }
    const result = await run(command, args, { onLine })
    if (result.code === 0) return
    const tail = (result.stdout + result.stderr).trim().split('\n').slice(-10).join('\n')
    throw new ServiceError('CT_SERVICE_FAILED', `${name}: ${what} failed:\n${tail}`)
  }
  await check('python -m venv', python, ['-m', 'venv', folder])
  const pip = ['-m', 'pip', 'install', '--disable-pip-version-check', '--no-input', '--prefer-binary']
  await check('pip install', join(folder, 'bin', 'python'), [...pip, '-r', requirementsFile])
  say(name, `ready after ${((performance.now() - began) / 1000).toFixed(1)} s`)
}

interface Interpreter {
  path: string
  identity: string
}

async function findPython(): Promise<Interpreter> {
  const found = await lookForPython()
  if (found) return found
  if (canInstallPackages()) {
    await installPackages('python', ['python3', 'python3-venv'])
    const installed = await lookForPython()
    if (installed) return installed
  }
  throw new ServiceError(
    'CT_SERVICE_MISSING',
    'python: no Python 3.10–3.14 with the modules venv and ensurepip was found; install one (Debian: python3-venv) or set CT_PYTHON',
  )
}

async function lookForPython(): Promise<Interpreter | undefined> {
  const given = process.env['CT_PYTHON']
  const names = given
    ? [given]
    : ['python3', 'python3.13', 'python3.12', 'python3.11', 'python3.10', 'python3.14']
  const test =
    'import sys, venv, ensurepip; print(sys.base_prefix, sys.version); sys.exit(not (3, 10) <= sys.version_info < (3, 15))'
  for (const name of names) {
    const path = name.includes('/') ? name : findProgram(name)
    if (!path) continue
    const { code, stdout } = await run(path, ['-c', test], { timeoutMs: 20_000 })
    if (code === 0) return { path, identity: stdout }
  }
  return undefined
}
