/**
 * Worker events (celery/worker/heartbeat.py 5.7): `worker-online`, `worker-heartbeat` every two seconds, `worker-offline`.
 */
import { loadavg, platform } from 'node:os'

export const softwareIdent = 'ct'

const systems: Readonly<Record<string, string>> = {
  linux: 'Linux',
  darwin: 'Darwin',
  win32: 'Windows',
  freebsd: 'FreeBSD',
}

/** Fields of every worker event about the software. */
export function softwareInfo(version: string): Readonly<Record<string, unknown>> {
  return { sw_ident: softwareIdent, sw_ver: version, sw_sys: systems[platform()] ?? platform() }
}

export interface HeartbeatOptions {
  /** Seconds between heartbeats. Default 2. */
  readonly interval: number
  readonly version: string
  readonly send: (type: string, fields: Readonly<Record<string, unknown>>) => void
  /** Before each event. */
  readonly onSend?: (() => void) | undefined
  /** Tasks running now. */
  readonly active: () => number
  /** Tasks started since the worker did. */
  readonly processed: () => number
}

export class Heartbeat {
  readonly #options: HeartbeatOptions
  /** Epoch ms; undefined: none yet. */
  lastSent: number | undefined
  #timer: NodeJS.Timeout | undefined

  constructor(options: HeartbeatOptions) {
    this.#options = options
  }

  /** Also after a reconnect. */
  start(): void {
    this.pause()
    this.send('worker-online')
    this.#timer = setInterval(() => this.send('worker-heartbeat'), this.#options.interval * 1000)
    this.#timer.unref()
  }

  /** Sends `worker-offline` once. */
  stop(): void {
    if (this.#timer === undefined) return
    this.pause()
    this.send('worker-offline')
  }

  /** Stops the timer without a farewell: the connection is gone. */
  pause(): void {
    clearInterval(this.#timer)
    this.#timer = undefined
  }

  send(type: string): void {
    this.lastSent = Date.now()
    this.#options.onSend?.()
    this.#options.send(type, {
      freq: this.#options.interval,
      active: this.#options.active(),
      processed: this.#options.processed(),
      // Rounded up to two decimals, as Celery does.
      loadavg: loadavg().map((load) => Math.ceil(load * 100) / 100),
      ...softwareInfo(this.#options.version),
    })
  }
}
