/** `ct amqp` (CLI-32): administrative commands of the broker, one by one or in a shell of its own. */
import type { Command } from 'commander'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import type { Session } from '../session.ts'
import { adminCommands, AdminUsage } from './admin-commands.ts'
import { AdminShell } from './admin-shell.ts'

export function addAmqp(program: Command, session: Session): void {
  const amqp = program
    .command('amqp')
    .description('declare, bind, look into and delete queues and exchanges; without a command, a shell')
    .usage('[options] [command]')
    // With subcommands commander takes a bare call for one that lacks its command.
    .action(async () => {
      const input = session.options.stdin ?? process.stdin
      await new AdminShell(session).read(input, session.options.stdin === undefined && process.stdin.isTTY)
    })
  for (const command of adminCommands) {
    const sub = amqp.command(command.name).description(command.help)
    for (const { name, required } of command.args) sub.argument(required ? `<${name}>` : `[${name}]`)
    sub.action(async () => {
      try {
        await new AdminShell(session).run(command, sub.args)
      } catch (error) {
        if (error instanceof AdminUsage)
          throw new CommandFailure(error.message, exitCodes.usage, { cause: error })
        throw error
      }
    })
  }
}
