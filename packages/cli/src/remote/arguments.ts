import { CommandFailure, exitCodes } from '../exit-codes.ts'
import type { ArgumentKind, RemoteCommand } from './remote-commands.ts'

const yes = new Set(['true', 'yes', 'on', '1'])
const no = new Set(['false', 'no', 'off', '0'])

/** Words of the command line as the arguments of the message; what is not given is left to the worker. */
export function remoteArguments(
  command: RemoteCommand,
  words: readonly (string | readonly string[] | undefined)[],
): Record<string, unknown> {
  const result: Record<string, unknown> = {}
  for (const [index, argument] of command.args.entries()) {
    const word = words[index]
    if (typeof word === 'string') result[argument.name] = cast(argument.name, argument.kind, word)
  }
  if (command.rest !== undefined) {
    const rest = words[command.args.length]
    if (Array.isArray(rest) && rest.length > 0) result[command.rest] = rest
  }
  return result
}

function cast(name: string, kind: ArgumentKind, word: string): unknown {
  if (kind === 'text') return word
  if (kind === 'boolean') {
    const lower = word.toLowerCase()
    if (yes.has(lower)) return true
    if (no.has(lower)) return false
    throw new CommandFailure(`${name} is "${word}". Give true or false.`, exitCodes.usage)
  }
  const value = Number(word)
  if (word.trim() === '' || !Number.isFinite(value) || (kind === 'integer' && !Number.isInteger(value))) {
    throw new CommandFailure(
      `${name} is "${word}". Give ${kind === 'integer' ? 'a whole number' : 'a number'}.`,
      exitCodes.usage,
    )
  }
  return value
}
