/** Commands that packages add to `ct` (CLI-5). */
import type { Command } from 'commander'
import type { App, UserOption } from '@ct/client'
import type { Session } from './session.ts'
import { addUserOptions, givenFor } from './user-options.ts'

/** A command of a package. */
export interface CliCommand {
  readonly name: string
  readonly description?: string
  /** As commander has them: `<file>`, `[more...]`. */
  readonly args?: readonly string[]
  readonly options?: readonly UserOption[]
  /** Resolves to the exit code; nothing: 0. What it throws ends the command as an error of `ct` does. */
  run(context: CliCommandContext): Promise<number | void> | number | void
}

export interface CliCommandContext {
  /** The app of `-A`; without it one that knows the broker and no tasks. Closed when the command has ended. */
  app(): Promise<App>
  /** Words in their order; those of `[more...]` are a list. */
  readonly args: readonly (string | readonly string[] | undefined)[]
  /** By their names in camelCase. */
  readonly options: Readonly<Record<string, unknown>>
  /** Fires with Ctrl-C and SIGTERM. */
  readonly signal: AbortSignal
  /** A line on standard output. */
  print(text: string): void
  /** A line on standard error. */
  complain(text: string): void
}

/** Names that `ct` has itself stay its own. */
export function addPackageCommands(
  program: Command,
  session: Session,
  commands: readonly CliCommand[],
): void {
  for (const { name, description = '', args = [], options = [], run } of commands) {
    if (program.commands.some((command) => command.name() === name)) {
      session.complain(`There is a command "${name}" already; that of a package is left out.`)
      continue
    }
    const command = program.command(name).description(description)
    for (const one of args) command.argument(one)
    addUserOptions(command, options)
    command.action(async () => {
      const interrupt = session.interruption()
      try {
        const code = await run({
          app: () => session.app(),
          args: command.processedArgs as (string | readonly string[] | undefined)[],
          options: givenFor(options, command.opts()),
          signal: interrupt.signal,
          print: (text) => session.print(text),
          complain: (text) => session.complain(text),
        })
        if (typeof code === 'number') session.exitCode = code
      } finally {
        interrupt.release()
      }
    })
  }
}
