/**
 * What hangs on the connection to the broker besides tasks, in Celery's order (worker-behaviour §1.2), made anew with each connection:
 *
 *   connected ─► purge (the first time) ─► mingle ─► gossip ─► heartbeat ─► remote control ─► steps of the consumer ─► tasks
 *       ▲                                                                                                               │
 *       └──────────────────────────── lost: the heart stands still, steps of the consumer stop ◄────────────────────────┘
 */
import type { App } from '@ct/client'
import type { BrokerCapabilities, BrokerConnection } from '@ct/contracts'
import type { WorkerSteps } from '../bootsteps/index.ts'
import { Pidbox, type CommandTarget } from '../control/index.ts'
import type { Heartbeat } from '../events/index.ts'
import type { Gossip } from '../gossip.ts'
import { mingle } from '../mingle.ts'
import type { WorkerOptions } from '../options.ts'
import type { Revocations } from '../request/index.ts'
import type { ConsumedQueues } from './consumed-queues.ts'

export interface ConnectionPartsOptions {
  readonly app: App
  readonly hostname: string
  readonly options: WorkerOptions
  readonly capabilities: BrokerCapabilities
  readonly queues: ConsumedQueues
  readonly revocations: Revocations
  readonly heartbeat: Heartbeat | undefined
  readonly gossip: Gossip | undefined
  readonly steps: () => WorkerSteps
  readonly commandTarget: () => CommandTarget
}

export class ConnectionParts {
  readonly #options: ConnectionPartsOptions
  /** Ends what need not be waited for when the worker stops. */
  readonly #leaving = new AbortController()
  #pidbox: Pidbox | undefined
  #current: BrokerConnection | undefined
  #purged = false

  constructor(options: ConnectionPartsOptions) {
    this.#options = options
  }

  /** The last one that all of this was opened on. */
  get current(): BrokerConnection | undefined {
    return this.#current
  }

  async open(connection: BrokerConnection): Promise<void> {
    const { app, options, capabilities, queues, gossip, heartbeat, steps } = this.#options
    const { settings } = app.context
    const { signal } = this.#leaving
    if (options.purge === true && !this.#purged) {
      for (const name of queues.names) await connection.purge(name)
      this.#purged = true
    }
    const control = capabilities.remoteControl && settings.workerEnableRemoteControl
    if (control) await this.#mingle()
    // What is opened when the worker has begun to stop, nobody would close.
    if (signal.aborted) return
    await gossip?.open(connection)
    if (signal.aborted) return
    heartbeat?.start()
    if (control && options.withoutRemoteControl !== true) {
      this.#pidbox ??= new Pidbox(this.#options.commandTarget())
      await this.#pidbox.open(connection)
    }
    if (signal.aborted) return
    this.#current = connection
    await steps().startConsumer()
  }

  async #mingle(): Promise<void> {
    const { app, hostname, options, revocations } = this.#options
    const { workerMingle } = app.settings
    if (options.withoutMingle === true || workerMingle === 'off') return
    const mingled = mingle({ context: app.context, hostname, revocations, signal: this.#leaving.signal })
    if (workerMingle === 'wait') await mingled
  }

  /** How to listen again to a queue of ours that somebody has deleted; undefined: it is a queue of tasks. */
  reopener(queue: string): (() => Promise<void>) | undefined {
    const { gossip } = this.#options
    const listener = [this.#pidbox, gossip].find((one) => one?.queue === queue)
    return listener === undefined ? undefined : () => listener.reopen()
  }

  lost(): void {
    this.#options.heartbeat?.pause()
    void this.#options.steps().stopConsumer()
  }

  /** The worker stops. */
  leave(): void {
    this.#leaving.abort()
  }

  /** Remote control; heartbeat and gossip have ended by then. */
  async close(): Promise<void> {
    await this.#pidbox?.close()
  }
}
