import { Command, CommanderError } from 'commander'
import type { UserOptions } from '@ct/client'
import { addAmqp } from './amqp/amqp-command.ts'
import { addBeat } from './beat/beat-command.ts'
import { addCall } from './commands/call.ts'
import { addCompletion } from './commands/completion.ts'
import { addGraphBootsteps } from './commands/graph-bootsteps.ts'
import { addGraphWorkers } from './commands/graph-workers.ts'
import { addGraph } from './commands/graph.ts'
import { addList } from './commands/list.ts'
import { addLogtool } from './commands/logtool.ts'
import { addMigrate } from './commands/migrate.ts'
import { addParked } from './commands/parked.ts'
import { addPurge } from './commands/purge.ts'
import { addReport } from './commands/report.ts'
import { addResult } from './commands/result.ts'
import { addShell } from './commands/shell.ts'
import { addUpgrade } from './commands/upgrade.ts'
import { addEvents } from './events/events-command.ts'
import { exitCodes } from './exit-codes.ts'
import { explain } from './explain.ts'
import { addGlobalOptions, type GlobalOptions } from './global-options.ts'
import { addMulti } from './multi/multi-command.ts'
import { addPackageCommands } from './package-commands.ts'
import { remoteCommands } from './remote/remote-commands.ts'
import { addRemotePrograms } from './remote/remote-programs.ts'
import { Session, type CliOptions } from './session.ts'
import { addUserOptions, commandIn, givenFor, sendPreload, userOptionsFor } from './user-options.ts'
import { addWorker } from './worker/worker-command.ts'

/** Celery's commands that ct does not have. */
const notHere: Readonly<Record<string, string>> = {
  flower: 'Run "celery flower" on the same broker: it sees ct workers.',
}

/**
 * The `ct` command. Resolves to the exit code when everything it opened is closed; never rejects, never exits the process itself.
 */
export async function runCli(argv: readonly string[], options: CliOptions): Promise<number> {
  const started = performance.now()
  const session = new Session(options)
  let exitCode: number
  try {
    session.argv = argv
    const own = await userOptionsFor(session, argv)
    const program = createProgram(session, own)
    await addForeign(program, session, argv, own)
    await program.parseAsync([...argv], { from: 'user' })
    exitCode = session.exitCode
  } catch (error) {
    if (error instanceof CommanderError) exitCode = error.exitCode === 0 ? exitCodes.ok : exitCodes.usage
    else {
      const explanation = await explain(error, session, performance.now() - started)
      session.complain(session.errorStyle.paint('red', explanation.message))
      exitCode = explanation.exitCode
    }
  }
  await session.close()
  session.restart?.()
  return exitCode
}

export function createProgram(session: Session, own?: UserOptions): Command {
  const program = new Command('ct')
    .description('Celery for TypeScript: workers, and what one does to them.')
    .usage('[options] <command>')
    .version(`ct ${session.options.version}`, '--version', 'print the version')
    .configureHelp({ showGlobalOptions: true })
    .configureOutput({
      writeOut: (text) => void session.stdout.write(text),
      writeErr: (text) => void session.stderr.write(text),
      outputError: (text, write) => write(withAdvice(text)),
      getOutHasColors: () => session.style.coloured,
      getErrHasColors: () => session.errorStyle.coloured,
    })
    .showSuggestionAfterError(true)
    .exitOverride()
  addGlobalOptions(program)
  if (own !== undefined) addUserOptions(program, own.preload)
  addWorker(program, session, own?.worker ?? [])
  addMulti(program, session)
  addBeat(program, session, own?.beat ?? [])
  addCall(program, session)
  addResult(program, session)
  const graph = addGraph(program, session)
  addGraphBootsteps(graph, session)
  addGraphWorkers(graph, session)
  addMigrate(program, session)
  addList(program, session)
  addAmqp(program, session)
  addRemotePrograms(program, session)
  addEvents(program, session)
  addPurge(program, session)
  addParked(program, session)
  addReport(program, session)
  addShell(program, session)
  addLogtool(program, session)
  addUpgrade(program, session)
  addCompletion(program, session)
  program.hook('preAction', async (_, command) => {
    session.begin(program.opts<GlobalOptions>())
    if (own === undefined || own.preload.length === 0) return
    await sendPreload(await session.app(), command.name(), givenFor(own.preload, program.opts()))
  })
  return program
}

/** Packages are asked only for what `ct` does not have itself, so that its own commands start as fast as ever. */
async function addForeign(
  program: Command,
  session: Session,
  argv: readonly string[],
  own: UserOptions | undefined,
): Promise<void> {
  const { commands } = session.options
  if (commands === undefined) return
  const name = commandIn(argv, own?.preload ?? [])
  if (program.commands.some((command) => command.name() === name)) return
  addPackageCommands(program, session, await commands((text) => session.complain(text)))
}

/** What is missing may be there under another name. */
function withAdvice(text: string): string {
  const name = /unknown command '(?<name>[^']+)'/.exec(text)?.groups?.['name']
  if (name === undefined) return text
  if (Object.hasOwn(notHere, name))
    return `error: ct has no counterpart of "celery ${name}" yet. ${notHere[name]}`.trim() + '\n'
  const remote = remoteCommands.find((command) => command.name === name)
  return remote === undefined
    ? text
    : `error: unknown command '${name}'\n(Did you mean ${remote.group} ${remote.name}?)\n`
}
