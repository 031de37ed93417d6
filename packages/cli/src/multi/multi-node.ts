/** One worker of `ct multi`: its command line, its files, its process (celery/apps/multi.py 5.7, `Node`). */
import { spawn } from 'node:child_process'
import { mkdirSync } from 'node:fs'
import { dirname } from 'node:path'
import { nodePath } from '@ct/client'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { readPid } from '../process/pid-file.ts'
import type { NodeOptions } from './multi-arguments.ts'

/** How `ct` is started. */
export interface MultiProgram {
  readonly executable: string
  /** Between the executable and the words of `ct`. */
  readonly arguments: readonly string[]
}

export interface MultiNodeOptions {
  readonly program: MultiProgram
  readonly options: NodeOptions
  /** Default `worker --detach`. */
  readonly command: string | undefined
  readonly append: string | undefined
  readonly passedThrough: readonly string[]
}

/** Options of `ct` rather than of `ct worker`. */
const globalOptions: ReadonlySet<string> = new Set([
  ...['-A', '--app', '-b', '--broker', '--result-backend', '--loader', '--config', '--workdir'],
  ...['-C', '--no-color', '-q', '--quiet'],
])

export class MultiNode {
  readonly name: string
  /** Words of `ct`, for this node. */
  readonly argv: readonly string[]
  readonly pidFile: string
  readonly #program: MultiProgram

  constructor(name: string, { program, options, command, append, passedThrough }: MultiNodeOptions) {
    this.name = name
    const all = new Map(options)
    const take = (long: string, short: string, otherwise: string): string => {
      const value = all.get(long) ?? all.get(short) ?? otherwise
      all.delete(long)
      all.delete(short)
      return this.expand(value)
    }
    const pidFile = take('--pidfile', '-p', '/var/run/celery/%n.pid')
    const logFile = take('--logfile', '-f', '/var/log/celery/%n%I.log')
    const executable = all.get('--executable') ?? program.executable
    this.#program = { ...program, executable }
    // The worker expands what is left for it, such as %I.
    this.pidFile = nodePath(pidFile, name)
    const before = [...all]
      .filter(([option]) => globalOptions.has(option))
      .flatMap((pair) => this.#words(pair))
    const after = [...all]
      .filter(([option]) => !globalOptions.has(option))
      .flatMap((pair) => this.#words(pair))
    this.argv = [
      ...before,
      ...words(this.expand(command ?? 'worker --detach')),
      ...['-n', name, `--pidfile=${pidFile}`, `--logfile=${logFile}`],
      ...after,
      ...words(this.expand(append ?? '')),
      ...passedThrough,
    ]
  }

  /** `%n` is the name without its host, `%d` the host, `%h` and `%p` both; `%i` and `%I` are the worker's to expand. */
  expand(template: string): string {
    const at = this.name.indexOf('@')
    const short = this.name.slice(0, at)
    const parts: Readonly<Record<string, string>> = {
      n: short,
      N: short,
      d: this.name.slice(at + 1),
      h: this.name,
      p: this.name,
      '%': '%',
    }
    return template.replaceAll(/%(.)/g, (whole, key: string) => parts[key] ?? whole)
  }

  /** The whole line. */
  get commandLine(): readonly string[] {
    return [this.#program.executable, ...this.#program.arguments, ...this.argv]
  }

  /** Undefined: there is no pid file, or none that names a process. A signal to 0 would end who sends it, and its whole group. */
  get pid(): number | undefined {
    try {
      return readPid(this.pidFile) || undefined
    } catch {
      return undefined
    }
  }

  /** False: there is no such process of ours. */
  send(signal: NodeJS.Signals | number): boolean {
    const { pid } = this
    if (pid === undefined) return false
    try {
      process.kill(pid, signal)
      return true
    } catch {
      return false
    }
  }

  /** Resolves to the exit code of the command, which ends when the worker is in the background. `cwd`: where it starts; undefined: here. */
  async start(cwd: string | undefined, complain: (text: string) => void): Promise<number> {
    for (const option of ['--pidfile', '--logfile']) {
      const path = this.argv.find((word) => word.startsWith(`${option}=`))?.slice(option.length + 1)
      if (path !== undefined) makeFolder(dirname(nodePath(path, this.name)), option)
    }
    const [executable = '', ...rest] = this.commandLine
    const child = spawn(executable, rest, { cwd, stdio: ['ignore', 'inherit', 'inherit'] })
    return await new Promise((resolve) => {
      child.once('error', (error) => {
        complain(`${executable} could not be started: ${error.message}`)
        resolve(1)
      })
      child.once('exit', (code) => resolve(code ?? 1))
    })
  }

  #words([option, value]: readonly [string, string | null]): readonly string[] {
    if (value === null) return [option]
    const expanded = this.expand(value)
    return option.startsWith('--') ? [`${option}=${expanded}`] : [option, expanded]
  }
}

function makeFolder(folder: string, option: string): void {
  try {
    mkdirSync(folder, { recursive: true })
  } catch (error) {
    const why = error instanceof Error ? error.message : String(error)
    throw new CommandFailure(
      `The folder ${folder} of ${option} cannot be made: ${why}. Give a file in one of yours: ${option}=./run/%n${option === '--pidfile' ? '.pid' : '%I.log'}`,
      exitCodes.cannotCreate,
      { cause: error },
    )
  }
}

/** Words of a text as a shell finds them, quotes included. */
function words(text: string): readonly string[] {
  return [...text.matchAll(/"(?<double>[^"]*)"|'(?<single>[^']*)'|(?<plain>\S+)/g)].map(
    ({ groups }) => groups!['double'] ?? groups!['single'] ?? groups!['plain']!,
  )
}
