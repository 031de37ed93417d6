import { connect as amqpConnect, credentials, type ChannelModel, type Options } from 'amqplib'
import { AbortedError, type CeleryError } from '@ct/contracts'
import type { AmqpAddress, BrokerSettings } from '../options/broker-options.ts'
import { readTls } from '../options/tls.ts'
import { abortedBy, connectFailure } from './failure.ts'

/** Walks the failover list: stays with a server that works, goes on to the next when one does not (kombu/connection.py 5.7). */
export class Endpoints {
  readonly #settings: BrokerSettings
  #next: number = 0

  constructor(settings: BrokerSettings) {
    this.#settings = settings
  }

  /** Tries each server once. Errors: `CT_BROKER_UNAVAILABLE`, `CT_BROKER`, `CT_ABORTED`. */
  async connect(
    signal: AbortSignal | undefined,
  ): Promise<{ readonly model: ChannelModel; readonly server: string }> {
    const { addresses, shuffle } = this.#settings
    const failures: CeleryError[] = []
    for (let tried = 0; tried < addresses.length; tried++) {
      if (signal?.aborted === true) throw abortedBy('Connecting to RabbitMQ', signal)
      if (shuffle && tried === 0) this.#next = Math.floor(Math.random() * addresses.length)
      const address = addresses[this.#next % addresses.length] as AmqpAddress
      const server = `${address.host}:${address.port}`
      try {
        return { model: await this.#open(address), server }
      } catch (error) {
        failures.push(connectFailure(error, server))
        this.#next = (this.#next + 1) % addresses.length
      }
    }
    // One server that may come back makes the whole list worth another try.
    throw failures.find(({ retryable }) => retryable) ?? (failures[0] as CeleryError)
  }

  async #open(address: AmqpAddress): Promise<ChannelModel> {
    const settings = this.#settings
    const password = settings.password === undefined ? address.password : await settings.password()
    const user = address.username ?? ''
    const target: Options.Connect = {
      protocol: address.ssl ? 'amqps' : 'amqp',
      hostname: address.host,
      port: address.port,
      vhost: encodeURIComponent(address.virtualHost),
      heartbeat: settings.heartbeat,
      frameMax: settings.frameMax,
      channelMax: settings.channelMax,
    }
    const login =
      settings.loginMethod === 'EXTERNAL'
        ? credentials.external()
        : settings.loginMethod === 'AMQPLAIN'
          ? credentials.amqplain(user, password ?? '')
          : credentials.plain(user, password ?? '')
    return amqpConnect(target, {
      ...(address.ssl ? await readTls(settings.tls, address.host) : {}),
      credentials: login,
      timeout: settings.connectTimeoutMs,
      noDelay: true,
      keepAlive: true,
      clientProperties: settings.clientProperties,
    })
  }
}

/** An attempt that its signal may cut short: the socket is then closed as soon as it can be. */
export async function abortableConnect<T>(
  attempt: Promise<T>,
  signal: AbortSignal | undefined,
  discard: (late: T) => void,
): Promise<T> {
  if (signal === undefined) return attempt
  const { promise, reject } = Promise.withResolvers<never>()
  const onAbort = (): void => {
    attempt.then(discard, () => undefined)
    reject(new AbortedError('Connecting to RabbitMQ was aborted.', { cause: signal.reason }))
  }
  if (signal.aborted) onAbort()
  else signal.addEventListener('abort', onAbort, { once: true })
  try {
    return await Promise.race([attempt, promise])
  } finally {
    signal.removeEventListener('abort', onAbort)
  }
}
