import { createInterface } from 'node:readline/promises'
import type { Delivery } from '@ct/contracts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { formatTable } from '../output/table.ts'
import type { Session } from '../session.ts'
import {
  adminCommands,
  AdminUsage,
  readValues,
  type AdminCommand,
  type AdminTarget,
} from './admin-commands.ts'
import { splitWords } from './split-words.ts'

const leave = new Set(['exit', 'quit', ':q', ':exit', ':quit'])

/** One connection that administrative commands are run over, one by one or line by line. */
export class AdminShell {
  readonly #session: Session
  readonly #held = new Map<number, Delivery>()

  constructor(session: Session) {
    this.#session = session
  }

  /** Fails where the broker has no administration. */
  async target(): Promise<AdminTarget> {
    const { context } = await this.#session.appWithBroker()
    const connection = await context.producer.connection()
    const { administration } = connection
    if (administration === undefined) {
      throw new CommandFailure(
        `The broker ${context.broker.describe().url} has no commands for administrators; use its own tools.`,
      )
    }
    return { connection, administration, held: this.#held }
  }

  async run(command: AdminCommand, words: readonly string[]): Promise<void> {
    const values = readValues(command, words)
    const answer = await command.run(await this.target(), values)
    if (answer !== undefined) this.#session.print(answer)
    this.#session.print(this.#session.style.paint('green', 'OK'))
  }

  /** Until the input ends, or `exit`. What fails is told and ends nothing; read from a file or pipe, the exit code says so. */
  async read(input: NodeJS.ReadableStream, terminal: boolean): Promise<void> {
    const session = this.#session
    const { context } = await session.appWithBroker()
    session.tell(`-> connecting to ${context.broker.describe().url}.`)
    await this.target()
    session.tell('-> connected.')
    const lines = createInterface({
      input,
      ...(terminal && { output: process.stdout, completer: complete, prompt: '> ' }),
      terminal,
    })
    const interrupt = session.interruption()
    interrupt.signal.addEventListener('abort', () => lines.close(), { once: true })
    try {
      if (terminal) lines.prompt()
      for await (const line of lines) {
        const words = splitWords(line)
        if (words !== undefined && leave.has(words[0] ?? '')) break
        await this.#line(words)
        if (terminal) lines.prompt()
      }
    } finally {
      interrupt.release()
      lines.close()
    }
  }

  async #line(words: readonly string[] | undefined): Promise<void> {
    try {
      if (words === undefined) throw new AdminUsage('A quote is not closed.')
      const [name, ...rest] = words
      if (name === undefined || name.startsWith('#')) return
      if (name === 'help' || name === ':help') return this.#help()
      const command = adminCommands.find((one) => one.name === name)
      if (command === undefined) throw new AdminUsage(`There is no "${name}". Type help.`)
      await this.run(command, rest)
    } catch (error) {
      this.#session.exitCode = exitCodes.error
      const { message } = error as Error
      this.#session.complain(this.#session.errorStyle.paint('red', `ERROR: ${message}`))
    }
  }

  #help(): void {
    const session = this.#session
    session.print(
      formatTable(
        ['command', 'arguments', 'what it does'],
        adminCommands.map(({ name, args, help }) => [
          name,
          args.map((one) => (one.required ? `<${one.name}>` : `[${one.name}]`)).join(' '),
          help,
        ]),
        session.style,
      ),
    )
  }
}

function complete(line: string): [string[], string] {
  const names = [...adminCommands.map(({ name }) => `${name} `), 'help', 'exit']
  return [names.filter((name) => name.startsWith(line)), line]
}
