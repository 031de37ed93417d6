/**
 * `ct logtool` (CLI-34; celery/bin/logtool.py 5.7): what logs of workers say of their tasks. Reads the text that Celery and ct write, and ct's JSON
 * lines. Celery's own looks for words that its workers have not written for years; here a task is received, and ends, by the lines of today.
 */
import { createReadStream } from 'node:fs'
import { createInterface } from 'node:readline'
import { stripVTControlCharacters } from 'node:util'
import type { Command } from 'commander'
import { CommandFailure } from '../exit-codes.ts'
import type { Session } from '../session.ts'

const what = {
  stats: 'how many tasks came, succeeded and failed, by name',
  traces: 'tracebacks, each with the line before it',
  errors: 'lines of tasks that did not succeed',
  incomplete: 'ids of tasks that came and never ended',
  debug: 'lines that are about no task',
} as const

export function addLogtool(program: Command, session: Session): void {
  const logtool = program.command('logtool').description('read the logs of workers')
  for (const [name, description] of Object.entries(what)) {
    logtool
      .command(name)
      .description(description)
      .argument('[files...]', 'log files; none: standard input')
      .action(async (files: readonly string[]) => {
        const audit = new Audit(name as keyof typeof what, (text) => session.print(text))
        if (files.length === 0) await read(session.options.stdin ?? process.stdin, audit)
        // Opened when its turn comes: before that nobody would hear that it cannot be.
        for (const file of files) await read(createReadStream(file), audit)
        audit.end()
      })
  }
}

async function read(input: NodeJS.ReadableStream, audit: Audit): Promise<void> {
  // readline does not tell of the errors of what it reads.
  const failed = Promise.withResolvers<never>()
  input.once('error', failed.reject)
  const lines = async (): Promise<void> => {
    for await (const line of createInterface({ input, crlfDelay: Infinity })) audit.feed(line)
  }
  try {
    await Promise.race([lines(), failed.promise])
  } catch (cause) {
    throw new CommandFailure(`The log cannot be read: ${(cause as Error).message}`, undefined, { cause })
  }
}

const start = /^\[\d{4}-\d\d-\d\d [^\]]*\] (?<message>.*)$/
const task = /^Task (?<name>[^\s[]+)\[(?<id>[^\]]+)\] (?<rest>.*)$/
/** It goes on: by another message, or after a while. */
const unfinished = /^(received|retry|accepted)\b/i

class Audit {
  readonly #show: keyof typeof what
  readonly #print: (text: string) => void
  readonly #received = new Map<string, string>()
  readonly #ended = new Map<string, boolean>()
  #before: string | undefined

  constructor(show: keyof typeof what, print: (text: string) => void) {
    this.#show = show
    this.#print = print
  }

  feed(line: string): void {
    // A log that was written for a terminal has colours.
    const plain = stripVTControlCharacters(line)
    const message = start.exec(plain)?.groups?.['message'] ?? messageOf(plain)
    if (message === undefined) {
      if (this.#show === 'traces' && line !== '') {
        if (this.#before !== undefined) this.#print(this.#before)
        this.#print(line)
      }
      this.#before = undefined
      return
    }
    this.#before = line
    const { name, id, rest } = task.exec(message)?.groups ?? {}
    if (name === undefined || id === undefined || rest === undefined) {
      if (this.#show === 'debug') this.#print(line)
    } else if (unfinished.test(rest)) {
      if (rest.startsWith('received')) this.#received.set(id, name)
    } else {
      const succeeded = rest.startsWith('succeeded')
      this.#ended.set(id, succeeded)
      if (!succeeded && this.#show === 'errors') this.#print(line)
    }
  }

  end(): void {
    if (this.#show === 'incomplete') {
      for (const [id, name] of this.#received)
        if (!this.#ended.has(id)) this.#print(`Did not complete: ${id} (${name})`)
    }
    if (this.#show !== 'stats') return
    const errors = [...this.#ended.values()].filter((succeeded) => !succeeded).length
    const types = new Map<string, number>()
    for (const name of this.#received.values()) types.set(name, (types.get(name) ?? 0) + 1)
    this.#print(
      [
        'Report\n======',
        `Task total: ${this.#received.size}`,
        `Task errors: ${errors}`,
        `Task success: ${this.#ended.size - errors}`,
        `Task completed: ${this.#ended.size}`,
        'Tasks\n=====',
        ...[...types].toSorted(([, a], [, b]) => b - a).map(([name, count]) => `${name}: ${count}`),
      ].join('\n'),
    )
  }
}

/** Of a line of `--log-format json`. */
function messageOf(line: string): string | undefined {
  if (!line.startsWith('{"time":')) return undefined
  try {
    const { message } = JSON.parse(line) as { readonly message?: unknown }
    return typeof message === 'string' ? message : undefined
  } catch {
    return undefined
  }
}
