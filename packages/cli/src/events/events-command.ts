import { type Command, Option } from 'commander'
import type { runMonitor as RunMonitor } from '@ct/monitor'
import { commandVariable, withEnvironment } from '../environment-option.ts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { seconds } from '../option-values.ts'
import type { Session } from '../session.ts'
import { EventLines } from './event-line.ts'
import { runCamera } from './run-camera.ts'

export interface EventsOptions {
  readonly dump?: boolean
  readonly json?: boolean
  readonly camera?: string
  /** Seconds between pictures, or between the screens of the live view. */
  readonly frequency?: number
  readonly maxrate?: string
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
  ]
  for (const option of options)
    command.addOption(withEnvironment(option, [commandVariable('events', option)]))
  command.action(async () => {
    const { freq, ...given } = command.opts<EventsOptions & { readonly freq?: number }>()
    const chosen: EventsOptions = freq === undefined ? given : { frequency: freq, ...given }
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
