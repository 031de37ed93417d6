import { spawn } from 'node:child_process'
import { accessSync, constants } from 'node:fs'
import { delimiter, join } from 'node:path'
import { guardProcess } from './guard.ts'

export interface RunOptions {
  cwd?: string
  env?: NodeJS.ProcessEnv
  input?: string
  uid?: number
  gid?: number
  /** Called with each finished line of stdout and stderr, for progress. */
  onLine?: (line: string) => void
  /** The command is killed after this long. Default ten minutes. */
  timeoutMs?: number
  /** Dies with this process, however that ends. Not for what must not be cut short, such as an installation. */
  guarded?: boolean
}

export interface RunResult {
  code: number
  stdout: string
  stderr: string
}

/** Runs a command to its end. Never rejects for its exit code; a command that cannot be started has code 127. */
export function run(command: string, args: readonly string[], options: RunOptions = {}): Promise<RunResult> {
  const { input, onLine, timeoutMs = 600_000, guarded = false, ...spawnOptions } = options
  return new Promise((resolve) => {
    const child = spawn(command, args, {
      ...spawnOptions,
      stdio: 'pipe',
      timeout: timeoutMs,
      killSignal: 'SIGKILL',
      detached: guarded,
    })
    if (guarded) guardProcess(child)
    const collected = { stdout: '', stderr: '' }
    for (const name of ['stdout', 'stderr'] as const) {
      let rest = ''
      child[name].setEncoding('utf8').on('data', (chunk: string) => {
        collected[name] += chunk
        if (!onLine) return
        const lines = (rest + chunk).split('\n')
        rest = lines.pop() ?? ''
        for (const line of lines) onLine(line)
      })
    }
    child.once('error', (error) => resolve({ code: 127, stdout: '', stderr: String(error) }))
    child.once('close', (code, signal) => {
      const reason = signal ? `killed by ${signal}\n` : ''
      resolve({ code: code ?? 1, stdout: collected.stdout, stderr: collected.stderr + reason })
    })
    // A child that dies before it has read its input is told by its exit code, not by EPIPE.
    child.stdin.on('error', () => undefined)
    child.stdin.end(input)
  })
}

/** The full path of a program on PATH, or in the folders for administrators that an ordinary user's PATH lacks. */
export function findProgram(...names: string[]): string | undefined {
  const folders = [...(process.env['PATH'] ?? '').split(delimiter), '/usr/local/sbin', '/usr/sbin', '/sbin']
  for (const name of names) {
    for (const folder of folders) {
      const path = join(folder, name)
      try {
        accessSync(path, constants.X_OK)
        return path
      } catch {
        // Not here: look further.
      }
    }
  }
  return undefined
}
