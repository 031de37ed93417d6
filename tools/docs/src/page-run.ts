import { type ChildProcess, spawn } from 'node:child_process'
import { delimiter, dirname, join } from 'node:path'
import { guardProcess } from '@ct-tools/services'
import { outputContains, outputInComments, outputMatches } from './expected-output.ts'
import type { ConsoleStep, FileStep, Page, Step } from './page.ts'
import { workspace } from './page.ts'
import { projectFolder, slugOf, writeInto } from './project-folder.ts'

export interface PageRunOptions {
  /** Takes the place of `redis://localhost`. */
  readonly redisUrl?: string | undefined
  /** Takes the place of `amqp://localhost`. */
  readonly amqpUrl?: string | undefined
  /** `bin` folder of a Python environment with Celery. */
  readonly python?: string | undefined
}

interface Running {
  readonly child: ChildProcess
  readonly command: string
  readonly output: () => string
  readonly ended: Promise<number | null>
}

const localhost = 'redis://localhost'
const stepTimeoutMs = 30_000

/** Runs the steps of one page, in order, in a project folder of its own. */
export class PageRun {
  readonly #folder: string
  readonly #options: PageRunOptions
  readonly #served: Running[] = []

  constructor(page: Page, options: PageRunOptions = {}) {
    this.#folder = projectFolder(slugOf(page))
    this.#options = options
  }

  /** Rejects with what was expected and what came instead. */
  async step(step: Step): Promise<void> {
    if (step.kind === 'console') return step.serve ? this.#serve(step) : this.#commands(step)
    writeInto(this.#folder, step.name, this.#here(step.text))
    if (step.run) await this.#file(step)
  }

  /** Ends what still runs, as a supervisor would. Rejects when something did not end well. */
  async close(): Promise<void> {
    const stopped = await Promise.allSettled(this.#served.splice(0).map((running) => stop(running)))
    for (const one of stopped) if (one.status === 'rejected') throw one.reason
  }

  async #file(step: FileStep): Promise<void> {
    const program = step.name.endsWith('.py') ? 'python' : 'node'
    const running = this.#start(`exec ${program} ${step.name}`, 'stdout')
    await this.#expect(running, outputInComments(step.text))
  }

  async #commands(step: ConsoleStep): Promise<void> {
    for (const { command, output } of step.commands) await this.#expect(this.#start(command, 'all'), output)
  }

  async #expect(running: Running, expected: readonly string[]): Promise<void> {
    const status = await within(running.ended, running.child)
    const actual = linesOf(running.output())
    if (status !== 0 && !expected.includes(`exit code ${status}`))
      throw new Error(`"${running.command}" ended with ${status}\n${running.output()}`)
    const wanted = expected.filter((line) => !line.startsWith('exit code '))
    if (!outputMatches(wanted, actual))
      throw new Error(
        `"${running.command}" should print\n\n${wanted.join('\n')}\n\nbut printed\n\n${actual.join('\n')}`,
      )
  }

  async #serve(step: ConsoleStep): Promise<void> {
    const [first, ...more] = step.commands
    if (first === undefined || more.length > 0) throw new Error('a served block has one command')
    await this.#replace(first.command)
    // Without npx, whose process would stand between us and the signals.
    const running = this.#start(`exec ${first.command.replace(/^npx /, '')}`, 'all', first.command)
    this.#served.push(running)
    await new Promise<void>((resolve, reject) => {
      const fail = (why: string): void => {
        reject(
          new Error(
            `"${first.command}" ${why}; wanted\n\n${first.output.join('\n')}\n\nbut got\n\n${running.output()}`,
          ),
        )
      }
      const timer = setTimeout(fail, stepTimeoutMs, 'was not ready in time')
      const look = (): void => {
        if (!outputContains(first.output, linesOf(running.output()))) return
        clearTimeout(timer)
        resolve()
      }
      running.child.stdout?.on('data', look)
      running.child.stderr?.on('data', look)
      void running.ended.then((status) => {
        clearTimeout(timer)
        fail(`ended with ${status}`)
      })
      look()
    })
  }

  /** The same command again means: stop it, and start it again. */
  async #replace(command: string): Promise<void> {
    const at = this.#served.findIndex((running) => running.command === command)
    if (at >= 0) for (const running of this.#served.splice(at, 1)) await stop(running)
  }

  #start(line: string, keep: 'stdout' | 'all', command = line): Running {
    const { python } = this.#options
    const path = [
      join(workspace, 'tools/docs/node_modules/.bin'),
      dirname(process.execPath),
      ...(python === undefined ? [] : [python]),
      process.env['PATH'] ?? '',
    ]
    // Colours forced upon the test run would be in the output that is compared.
    const { VITEST: _vitest, FORCE_COLOR: _forceColor, ...env } = process.env
    const child = guardProcess(
      spawn('/bin/bash', ['-c', this.#here(line)], {
        cwd: this.#folder,
        detached: true,
        stdio: ['ignore', 'pipe', 'pipe'],
        env: {
          ...env,
          PATH: path.join(delimiter),
          NODE_OPTIONS: '--conditions=@ct/source',
          NO_COLOR: '1',
          PYTHONUNBUFFERED: '1',
          PYTHONUTF8: '1',
          PYTHONDONTWRITEBYTECODE: '1',
        },
      }),
    )
    const chunks: Buffer[] = []
    const errors: Buffer[] = []
    child.stdout.on('data', (chunk: Buffer) => chunks.push(chunk))
    child.stderr.on('data', (chunk: Buffer) => (keep === 'all' ? chunks : errors).push(chunk))
    const ended = new Promise<number | null>((resolve) => {
      child.once('close', resolve)
    })
    void ended.then((status) => {
      // What a program says on its way out helps whoever reads the failure.
      if (status !== 0) chunks.push(...errors)
    })
    return { child, command, ended, output: () => this.#asWritten(Buffer.concat(chunks).toString()) }
  }

  #here(text: string): string {
    const { redisUrl, amqpUrl } = this.#options
    const onRedis =
      redisUrl === undefined ? text : text.replaceAll(/redis:\/\/localhost(?![:/\w])/g, redisUrl)
    return amqpUrl === undefined ? onRedis : onRedis.replaceAll(/amqp:\/\/localhost(?![:/\w])/g, amqpUrl)
  }

  /** Output in the page's terms. */
  #asWritten(text: string): string {
    const { redisUrl, amqpUrl } = this.#options
    const onRedis = redisUrl === undefined ? text : text.replaceAll(redisUrl, localhost)
    return amqpUrl === undefined ? onRedis : onRedis.replaceAll(amqpUrl, 'amqp://localhost')
  }
}

/** npm's remarks about its own configuration are this machine's, not the page's. */
function linesOf(output: string): string[] {
  const text = output.replaceAll(/^npm (?:warn|notice).*\n/gm, '').trimEnd()
  return text === '' ? [] : text.split('\n')
}

async function stop({ child, command, ended, output }: Running): Promise<void> {
  child.kill('SIGTERM')
  const status = await within(ended, child)
  if (status !== 0)
    throw new Error(`"${command}" did not end well on SIGTERM: ${status ?? 'killed'}\n${output()}`)
}

/** Exit code; null when it had to be killed. */
async function within(ended: Promise<number | null>, child: ChildProcess): Promise<number | null> {
  const timer = setTimeout(() => {
    // The group, so that what a shell started goes too.
    if (child.pid !== undefined) process.kill(-child.pid, 'SIGKILL')
  }, stepTimeoutMs)
  try {
    return await ended
  } finally {
    clearTimeout(timer)
  }
}
