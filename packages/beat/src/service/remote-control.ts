/**
 * Beat as a node of remote control (celery/beat.py 5.7; D57-12, D57-13): it answers `ping`, and to everything else it is silent. It is silent
 * too when the scheduler has not turned for too long, so that a supervisor that pings learns of a beat that hangs.
 */
import {
  isForNode,
  nodeQueue,
  readControlMessage,
  ReconnectingConnection,
  writeReply,
  type AppContext,
  type ControlCodec,
} from '@ct/client'
import { BrokerUnavailableError, type BrokerConnection, type Delivery } from '@ct/contracts'

export interface RemoteControlOptions {
  readonly context: AppContext
  readonly hostname: string
  /** Whether the scheduler turns as it should. */
  readonly isAlive: () => boolean
}

export class RemoteControl {
  readonly #options: RemoteControlOptions
  readonly #codec: ControlCodec
  readonly #connection: ReconnectingConnection<BrokerConnection>
  readonly #opened = Promise.withResolvers<void>()
  #release: (() => void) | undefined

  constructor(options: RemoteControlOptions) {
    this.#options = options
    const { context } = options
    const { serializers, settings } = context
    this.#codec = {
      serializers,
      serializer: settings.taskSerializer,
      accept: serializers.accept(settings.acceptContent),
    }
    this.#connection = new ReconnectingConnection({
      connect: (connect) => context.readBroker.connect(connect),
      describe: () => `the broker ${context.readBroker.describe().url}`,
      connectTimeoutMs: (settings.brokerConnectionTimeout ?? 4) * 1000,
      unavailable: (message, cause) => new BrokerUnavailableError(message, { cause }),
    })
  }

  /** Resolves when it listens for the first time; goes on trying by itself. */
  start(): Promise<void> {
    this.#connection.listen({
      onReady: (connection) => void this.#open(connection),
      onNotice: ({ kind }) => {
        // The queue was deleted, or had expired.
        const { current } = this.#connection
        if (kind === 'consumer-cancelled' && current !== undefined) void this.#open(current)
      },
    })
    this.#release = this.#connection.keepAlive()
    return this.#opened.promise
  }

  async #open(connection: BrokerConnection): Promise<void> {
    const { context, hostname } = this.#options
    try {
      const consumer = await connection.openConsumer({
        credit: Infinity,
        onDelivery: (delivery) => void this.#answer(connection, delivery),
      })
      const queue = nodeQueue(hostname, context.settings)
      await consumer.subscribe([{ queue, noAck: true, exchangeType: 'fanout' }])
      this.#opened.resolve()
    } catch (error) {
      if (this.#connection.current !== connection) return
      const reason = error instanceof Error ? error : new Error(String(error))
      context.logger.warn(
        `Remote control of ${hostname} could not be opened; it is tried again. ${reason.message}`,
      )
      this.#connection.markLost(connection, reason)
    }
  }

  async #answer(connection: BrokerConnection, delivery: Delivery): Promise<void> {
    const { context, hostname, isAlive } = this.#options
    const { clock, logger } = context
    try {
      const request = readControlMessage(delivery, this.#codec)
      clock.forward()
      clock.adjust(request.clock)
      if (request.method !== 'ping' || !isForNode(request, hostname) || !isAlive()) return
      const reply = writeReply(request, hostname, { ok: 'pong' }, clock.forward(), this.#codec)
      if (reply !== undefined) await connection.publish(reply)
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      logger.error(`A control message could not be handled: ${why}`, { error })
    }
  }

  async close(): Promise<void> {
    this.#opened.resolve()
    this.#release?.()
    await this.#connection.close()
  }
}

/** Undefined: it is not wanted, or the broker has no fanout exchanges, which is told. */
export function openRemoteControl({
  wanted,
  ...options
}: RemoteControlOptions & { readonly wanted: boolean }): RemoteControl | undefined {
  const { readBroker, logger } = options.context
  if (!wanted) return undefined
  if (!readBroker.capabilities.exchanges.fanout) {
    logger.warn(`Remote control of beat needs a broker with fanout exchanges; ${readBroker.name} has none.`)
    return undefined
  }
  const remoteControl = new RemoteControl(options)
  void remoteControl.start()
  return remoteControl
}
