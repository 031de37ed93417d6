import { type Command, InvalidArgumentError, Option } from 'commander'
import type { runMonitor as RunMonitor } from '@ct/monitor'
import { commandVariable, withEnvironment } from '../environment-option.ts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { seconds } from '../option-values.ts'
import { logLevels, parseLogLevel } from '../output/log.ts'
import type { DaemonCommandOptions } from '../process/daemon.ts'
import type { Session } from '../session.ts'
import { EventLines } from './event-line.ts'
import { runCamera } from './run-camera.ts'

export interface EventsOptions extends DaemonCommandOptions {
  readonly dump?: boolean
  readonly json?: boolean
  readonly camera?: string
  /** Seconds between pictures, or between the screens of the live view. */
  readonly frequency?: number
  readonly maxrate?: string
  /** Python's number. */
  readonly loglevel?: number
}

/** `ct events` (CLI-22): the events of a fleet as a live view, as lines, or as pictures for a camera. */
export function addEvents(program: Command, session: Session): void {
  const command = program.command('events').description('watch a fleet by its events')
  const options = [
    new Option('-d, --dump', 'print each event as a line'),
    new Option('-j, --json', 'print each event as a line of JSON'),
    new Option('-c, --camera <module>', 'hand pictures of the fleet to this camera, such as ./camera.ts'),
    new Option('-F, --frequency <seconds>', 'between two pictures (default: 1)').argParser(seconds),
    new Option('--freq <seconds>', 'the same').argParser(seconds).hideHelp(),
    new Option('-r, --maxrate <rate>', 'at most so many pictures, such as 10/m'),
    new Option(
      '-l, --loglevel <level>',
      'of a camera: debug, info, warning, error or critical (default: warning)',
    ).argParser(level),
    new Option('-f, --logfile <path>', 'append the log of a camera to this file instead of standard error'),
    new Option('--detach', 'run a camera in the background'),
    new Option('--pidfile <path>', 'write the pid here; a camera that lives and has it is not started twice'),
    new Option('--uid <user>', 'become this user first'),
    new Option('--gid <group>', 'become this group first (default: that of the user)'),
    new Option('--umask <mask>', 'for files that are made, octal'),
    new Option('--executable <path>', 'the Node to run in the background (default: this one)'),
  ]
  for (const option of options)
    command.addOption(withEnvironment(option, [commandVariable('events', option)]))
  command.action(async () => {
    const { freq, ...given } = command.opts<EventsOptions & { readonly freq?: number }>()
    const chosen: EventsOptions = freq === undefined ? given : { frequency: freq, ...given }
    if (chosen.camera === undefined && chosen.detach === true) {
      throw new CommandFailure(
        'Only a camera runs in the background: ct events --camera ./camera.ts --detach. For a file: ct events --dump > events.log.',
        exitCodes.usage,
      )
    }
    const interrupt = session.interruption()
    try {
      if (chosen.camera !== undefined) await runCamera(session, chosen.camera, chosen, interrupt.signal)
      else if (chosen.dump === true || chosen.json === true) await dump(session, chosen, interrupt.signal)
      else await watch(session, interrupt.signal)
    } finally {
      interrupt.release()
    }
  })
}

function level(text: string): number {
  const found = parseLogLevel(text)
  if (found === undefined)
    throw new InvalidArgumentError(`Levels are ${Object.keys(logLevels).join(', ')}, in any case.`)
  return found
}

async function dump(session: Session, { json }: EventsOptions, signal: AbortSignal): Promise<void> {
  const app = await session.appWithBroker()
  const lines = new EventLines()
  const receiver = app.events.receiver({
    handlers: {
      '*': (event) => {
        const { local_received: _received, ...sent } = event
        if (json === true) session.printJson(sent)
        else session.print(lines.line(event))
      },
    },
  })
  if (json !== true) session.tell('-> evdump: starting capture...')
  try {
    await receiver.capture({ signal })
  } finally {
    await receiver.close()
  }
}

async function watch(session: Session, signal: AbortSignal): Promise<void> {
  const { stdin } = process
  if (session.stdout.isTTY !== true || !stdin.isTTY) {
    throw new CommandFailure(
      'The live view needs a terminal. For a file or a pipe: ct events --dump, or --json.',
      exitCodes.usage,
    )
  }
  const runMonitor = await monitor()
  await runMonitor({ app: await session.appWithBroker(), signal })
}

/** Its libraries weigh more than all the rest of ct: who watches installs them. */
async function monitor(): Promise<typeof RunMonitor> {
  try {
    const { runMonitor } = await import('@ct/monitor')
    return runMonitor
  } catch (error) {
    if ((error as NodeJS.ErrnoException).code !== 'ERR_MODULE_NOT_FOUND') throw error
    throw new CommandFailure(
      'The live view is a package of its own: npm i -D @ct/monitor. Without it: ct events --dump.',
      exitCodes.usage,
      { cause: error },
    )
  }
}
