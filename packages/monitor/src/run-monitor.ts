import type { App } from '@ct/client'
import { render } from 'ink'
import { createElement } from 'react'
import { MonitorView } from './monitor-view.ts'

export interface MonitorOptions {
  readonly app: App
  /** Ends the view. */
  readonly signal?: AbortSignal | undefined
  /** Default `process.stdin`. */
  readonly stdin?: NodeJS.ReadStream | undefined
  /** Default `process.stdout`. */
  readonly stdout?: NodeJS.WriteStream | undefined
}

/** Shows the fleet until `q`, Ctrl-C or the signal. Rejects when the broker carries no events, or refuses us. */
export async function runMonitor({ app, signal, stdin, stdout }: MonitorOptions): Promise<void> {
  const state = app.events.state()
  const receiver = app.events.receiver({ handlers: { '*': (event) => state.event(event) } })
  const ended = new AbortController()
  const both = signal === undefined ? ended.signal : AbortSignal.any([signal, ended.signal])
  let failure: unknown
  try {
    await receiver.start({ signal: both })
  } catch (error) {
    await receiver.close()
    if (both.aborted) return
    throw error
  }
  const view = render(
    createElement(MonitorView, { state, control: app.control, onQuit: () => ended.abort() }),
    {
      ...(stdin === undefined ? {} : { stdin }),
      ...(stdout === undefined ? {} : { stdout }),
      exitOnCtrlC: false,
      patchConsole: false,
    },
  )
  try {
    await receiver.capture({ signal: both })
  } catch (error) {
    failure = error
  } finally {
    view.unmount()
    await receiver.close()
  }
  if (failure !== undefined) throw failure
}
