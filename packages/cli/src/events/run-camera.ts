/** `ct events --camera ./camera.ts` (EVT-50): pictures of the fleet, for as long as it runs. */
import { cwd } from 'node:process'
import { Camera, nodeName, type CameraOptions, type State } from '@ct/client'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { locateModule } from '../find-app.ts'
import { logLevels } from '../output/log.ts'
import { daemonOptions, isParent, runInBackground } from '../process/daemon.ts'
import { isDetached, reportStarted } from '../process/detach.ts'
import { PidFile } from '../process/pid-file.ts'
import { become } from '../process/privileges.ts'
import type { Session } from '../session.ts'
import { openLog } from '../worker/worker-log.ts'
import type { EventsOptions } from './events-command.ts'

/** Derived from `Camera`, or a function that takes a picture. */
type CameraSource = (new (state: State, options: CameraOptions) => Camera) | ((state: State) => unknown)

export async function runCamera(
  session: Session,
  name: string,
  options: EventsOptions,
  signal: AbortSignal,
): Promise<void> {
  const app = await session.appWithBroker()
  const daemon = daemonOptions(app, 'events', options, nodeName('camera@%h', app.context.hostname))
  if (isParent(options)) {
    await runInBackground(session, 'camera', daemon)
    return
  }
  if (!isDetached()) become(daemon)
  const source = await load(name)
  await using log = await openLog(app, session, {
    level: options.loglevel ?? logLevels.WARNING,
    format: 'text',
    logfile: daemon.logfile,
  })
  using _pidFile =
    daemon.pidfile === undefined
      ? undefined
      : PidFile.acquire(daemon.pidfile, (text) => session.complain(text))
  const { frequency = 1, maxrate } = options
  const state = app.events.state()
  const common: CameraOptions = {
    freq: frequency,
    maxrate,
    onError: (error, what) => log.logger.error(`The camera's ${what} failed.`, { error }),
  }
  const camera = isCamera(source)
    ? new source(state, common)
    : new Camera(state, { ...common, onShutter: source })
  const receiver = app.events.receiver({ handlers: { '*': (event) => state.event(event) } })
  if (!isDetached()) session.tell(`-> evcam: Taking snapshots with ${name} (every ${frequency} secs.)`)
  try {
    reportStarted()
    await receiver.start({ signal })
    camera.start()
    await receiver.capture({ signal })
  } catch (error) {
    if (!signal.aborted) throw error
  } finally {
    await receiver.close()
    await camera.stop()
  }
}

async function load(name: string): Promise<CameraSource> {
  const at = /:(?=[A-Za-z_$][\w$]*$)/.exec(name)?.index
  const file = at === undefined ? name : name.slice(0, at)
  const wanted = at === undefined ? 'default' : name.slice(at + 1)
  const module = (await import(locateModule(file, cwd(), '--camera'))) as Readonly<Record<string, unknown>>
  const found = module[wanted]
  if (typeof found === 'function') return found as CameraSource
  throw new CommandFailure(
    `${file} exports no camera${wanted === 'default' ? ' as its default' : ` called "${wanted}"`}. Export a class that extends Camera, or a function (state) => ….`,
    exitCodes.usage,
  )
}

function isCamera(source: CameraSource): source is new (state: State, options: CameraOptions) => Camera {
  return source.prototype instanceof Camera
}
