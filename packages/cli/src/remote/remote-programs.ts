import { type Command, Option } from 'commander'
import { didYouMean } from '@ct/client'
import { commandVariable, withEnvironment } from '../environment-option.ts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { list, seconds } from '../option-values.ts'
import type { Session } from '../session.ts'
import { remoteArguments } from './arguments.ts'
import { ownArguments, ownCommand, ownCommands } from './own-commands.ts'
import { type AskOptions, askWorkers } from './ask-workers.ts'
import { type RemoteCommand, remoteCommands } from './remote-commands.ts'

/** `inspect`, `control` and `status`. */
export function addRemotePrograms(program: Command, session: Session): void {
  addGroup(program, session, 'inspect', 'ask workers')
  addGroup(program, session, 'control', 'tell workers what to do')
  const ping = remoteCommands.find(({ name }) => name === 'ping')!
  const status = program.command('status').description('which workers are online')
  addAskOptions(status, 'status')
  status.action(async () => {
    await askWorkers(session, ping, {}, status.opts<AskOptions>())
  })
}

function addGroup(
  program: Command,
  session: Session,
  group: RemoteCommand['group'],
  description: string,
): void {
  const parent = program.command(group).description(description).usage('[options] <command> [arguments]')
  addAskOptions(parent, group)
  parent.addOption(new Option('--list', 'list the commands'))
  const commands = remoteCommands.filter((command) => command.group === group)
  parent
    .argument('[command]')
    .argument('[arguments...]')
    .action(async (name: string | undefined, words: readonly string[]) => {
      if (name !== undefined) {
        const own = await ownCommand(session, group, name)
        if (own === undefined) throw unknownCommand(group, name)
        await askWorkers(session, own, ownArguments(own, words), parent.opts<AskOptions>())
        return
      }
      if (parent.opts<{ readonly list?: boolean }>().list !== true) parent.help({ error: true })
      const all = [...commands, ...(await ownCommands(session, group))]
      const width = Math.max(...all.map((one) => one.name.length))
      for (const one of all) session.print(`${one.name.padEnd(width)}  ${one.help}`)
    })
  for (const command of commands) {
    const child = parent.command(command.name).description(command.help)
    if (command.alias !== undefined) child.alias(command.alias)
    for (const { name, required } of command.args)
      child.argument(required === true ? `<${name}>` : `[${name}]`)
    if (command.rest !== undefined)
      child.argument(command.restRequired === true ? `<${command.rest}...>` : `[${command.rest}...]`)
    child.action(async (...words: unknown[]) => {
      const args = remoteArguments(command, words as (string | readonly string[] | undefined)[])
      await askWorkers(session, command, args, parent.opts<AskOptions>())
    })
  }
}

function unknownCommand(group: RemoteCommand['group'], name: string): CommandFailure {
  const names = remoteCommands.filter((command) => command.group === group).map((command) => command.name)
  const elsewhere = remoteCommands.find((command) => command.name === name || command.alias === name)
  const advice =
    elsewhere === undefined ? didYouMean(name, names) : ` It is "ct ${elsewhere.group} ${elsewhere.name}".`
  return new CommandFailure(
    `ct ${group} has no command "${name}".${advice} Commands: ${names.join(', ')}.`,
    exitCodes.usage,
  )
}

function addAskOptions(command: Command, name: string): void {
  const options = [
    new Option('-t, --timeout <seconds>', 'how long to wait for a further answer (default: 1)').argParser(
      seconds,
    ),
    new Option('-d, --destination <nodes>', 'only these nodes, separated by commas').argParser(list),
    new Option('-j, --json', 'print the answers as one JSON object'),
  ]
  for (const option of options) command.addOption(withEnvironment(option, [commandVariable(name, option)]))
}
