import { spawn } from 'node:child_process'
import { existsSync, mkdtempSync, readFileSync, rmSync } from 'node:fs'
import { tmpdir } from 'node:os'
import { join } from 'node:path'
import { createInterface } from 'node:readline'
import { fileURLToPath } from 'node:url'
import { stripVTControlCharacters } from 'node:util'
import { progressFile } from './announce.ts'

export interface EndedTask {
  /** `@ct/client:unit` */
  readonly id: string
  readonly ok: boolean
  readonly cached: boolean
}

export interface NxRunOptions {
  readonly targets: readonly string[]
  /** Default: all projects. */
  readonly projects?: readonly string[]
  readonly parallel: number
  /** The folder that `announce` writes to. */
  readonly progress: string
  readonly env: NodeJS.ProcessEnv
  readonly onEnded: (task: string, ok: boolean, cached: boolean, output: string) => void
}

export const workspace: string = fileURLToPath(new URL('../..', import.meta.url))
const nx = join(workspace, 'node_modules/nx/dist/bin/nx.js')

/**
 * Nx would use its own terminal interface, a background process and the cloud's hints; none of them belongs here. The two plugins
 * there are need no processes of their own, which would cost a second per run.
 */
function environment(env: NodeJS.ProcessEnv): NodeJS.ProcessEnv {
  return {
    ...env,
    NX_DAEMON: 'false',
    NX_TUI: 'false',
    NX_NO_CLOUD: 'true',
    NX_SKIP_LOG_GROUPING: 'true',
    NX_ISOLATE_PLUGINS: 'false',
  }
}

/** The tasks that these targets mean, without running them. */
export async function plannedTasks(targets: readonly string[], env: NodeJS.ProcessEnv): Promise<string[]> {
  const folder = mkdtempSync(join(tmpdir(), 'ct-plan-'))
  const file = join(folder, 'graph.json')
  try {
    const { output } = await run(['run-many', '-t', ...targets, `--graph=${file}`], env)
    if (!existsSync(file)) throw new Error(`Nx could not plan ${targets.join(', ')}:\n${output}`)
    const graph = JSON.parse(readFileSync(file, 'utf8')) as { tasks: { tasks: Record<string, unknown> } }
    return Object.keys(graph.tasks.tasks)
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Runs targets of projects and reports each as it ends. What depends on a task that failed is not run, and not in the result. */
export async function runTargets(options: NxRunOptions): Promise<EndedTask[]> {
  const folder = mkdtempSync(join(tmpdir(), 'ct-nx-'))
  const results = join(folder, 'results.json')
  const blocks = new Blocks((task, cached, output) => {
    const ok = !existsSync(progressFile(options.progress, task, 'failed'))
    options.onEnded(task, ok, cached, output)
  })
  try {
    const projects = options.projects === undefined ? [] : ['-p', ...options.projects]
    const { output } = await run(
      [
        'run-many',
        '-t',
        ...options.targets,
        ...projects,
        `--parallel=${options.parallel}`,
        '--outputStyle=static',
      ],
      { ...options.env, CT_PROGRESS: options.progress, CT_TASK_RESULTS: results },
      (line) => blocks.take(line),
    )
    blocks.end()
    if (!existsSync(results)) throw new Error(`Nx ended without results:\n${output}`)
    const ended = JSON.parse(readFileSync(results, 'utf8')) as readonly { id: string; status: string }[]
    const ran = ended.filter(({ status }) => status !== 'skipped' && status !== 'stopped')
    return ran.map(({ id, status }) => ({
      id,
      ok: status !== 'failure',
      cached: status.includes('cache'),
    }))
  } finally {
    rmSync(folder, { recursive: true, force: true })
  }
}

/** Nx prints a finished task as `> nx run project:target  [local cache]`, then everything it wrote. */
class Blocks {
  readonly #onBlock: (task: string, cached: boolean, output: string) => void
  #task: string | undefined
  #cached = false
  #lines: string[] = []

  constructor(onBlock: (task: string, cached: boolean, output: string) => void) {
    this.#onBlock = onBlock
  }

  take(line: string): void {
    const plain = stripVTControlCharacters(line)
    const head = /^> nx run (\S+)(.*)$/.exec(plain)
    if (head !== null || /^ NX {2}/.test(plain)) this.end()
    if (head !== null) {
      this.#task = head[1]
      this.#cached = (head[2] ?? '').includes('cache')
    } else if (!plain.startsWith('> node ')) this.#lines.push(line)
  }

  end(): void {
    if (this.#task !== undefined) this.#onBlock(this.#task, this.#cached, this.#lines.join('\n').trim())
    this.#task = undefined
    this.#lines = []
  }
}

const signals = ['SIGINT', 'SIGTERM', 'SIGHUP'] as const

async function run(
  args: readonly string[],
  env: NodeJS.ProcessEnv,
  onLine?: (line: string) => void,
): Promise<{ output: string }> {
  const child = spawn(process.execPath, [nx, ...args], {
    cwd: workspace,
    env: environment(env),
    stdio: ['ignore', 'pipe', 'pipe'],
  })
  const lines: string[] = []
  const take = (line: string): void => {
    lines.push(line)
    onLine?.(line)
  }
  createInterface({ input: child.stdout }).on('line', take)
  createInterface({ input: child.stderr }).on('line', take)
  // Ended from outside, this process takes Nx along and lives long enough to say how far it came.
  let stopped = false
  const stop = (signal: NodeJS.Signals): void => {
    stopped = true
    child.kill(signal)
  }
  for (const signal of signals) process.once(signal, stop)
  await new Promise<void>((resolve, reject) => {
    child.on('error', reject)
    child.on('close', () => resolve())
  })
  for (const signal of signals) process.off(signal, stop)
  if (stopped) throw new Error('interrupted')
  return { output: lines.join('\n') }
}
