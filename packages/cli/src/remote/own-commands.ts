/** Commands that the app of `-A` registered (CTRL-13), as the command line needs them. */
import type { RegisteredCommand } from '@ct/client'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import type { Session } from '../session.ts'
import { remoteArguments } from './arguments.ts'
import type { RemoteCommand } from './remote-commands.ts'

/** Those to be listed; none without `-A`. */
export async function ownCommands(
  session: Session,
  group: RemoteCommand['group'],
): Promise<readonly RemoteCommand[]> {
  if (session.globals.app === undefined) return []
  const { commands } = (await session.app()).context
  return commands
    .list()
    .filter(({ kind, definition }) => kind === group && definition.visible !== false)
    .map(toRemote)
}

/** By name or alias. */
export async function ownCommand(
  session: Session,
  group: RemoteCommand['group'],
  name: string,
): Promise<RemoteCommand | undefined> {
  if (session.globals.app === undefined) return undefined
  const found = (await session.app()).context.commands.get(name)
  return found?.kind === group ? toRemote(found) : undefined
}

function toRemote({ kind, definition }: RegisteredCommand): RemoteCommand {
  const { name, alias, help = '', args = {}, required = [], variadic, defaultTimeout } = definition
  return {
    name,
    group: kind,
    help,
    ...(alias === undefined ? {} : { alias }),
    args: Object.entries(args).map(([argument, type]) => ({
      name: argument,
      kind: type,
      required: (required as readonly string[]).includes(argument),
    })),
    ...(variadic === undefined ? {} : { rest: variadic }),
    ...(defaultTimeout === undefined ? {} : { timeout: defaultTimeout }),
  }
}

/** Words as the arguments of such a command. */
export function ownArguments(command: RemoteCommand, words: readonly string[]): Record<string, unknown> {
  const { name, args, rest } = command
  const missing = args.slice(words.length).find(({ required }) => required === true)
  if (missing !== undefined) throw usage(`"${name}" needs ${missing.name}.`)
  if (rest === undefined && words.length > args.length)
    throw usage(`"${name}" takes ${args.length} arguments.`)
  return remoteArguments(command, [...args.map((_argument, index) => words[index]), words.slice(args.length)])
}

function usage(message: string): CommandFailure {
  return new CommandFailure(message, exitCodes.usage)
}
