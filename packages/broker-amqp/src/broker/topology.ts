import type { Channel } from 'amqplib'
import type { CallOptions, ExchangeDeclaration, QueueDeclaration } from '@ct/contracts'
import { encodeTable } from '../connection/field-table.ts'
import { raceSignal, replyCode } from '../connection/failure.ts'
import type { Link } from '../connection/link.ts'

/**
 * Everything that is asked of RabbitMQ apart from messages. A refusal (404, 406, …) costs the channel, so operations go one after
 * another over a channel of their own, which is opened anew after each refusal.
 */
export class Topology {
  readonly #link: Link
  #channel: Channel | undefined
  #turn: Promise<unknown> = Promise.resolve()

  constructor(link: Link) {
    this.#link = link
  }

  /** Runs `call` alone on the channel; `what` is for errors, e.g. `declaring queue "x"`. */
  run<T>(what: string, call: (channel: Channel) => Promise<T>, options?: CallOptions): Promise<T> {
    const result = this.#turn.then(async () => {
      this.#link.assertOpen()
      if (options?.signal?.aborted === true) return raceSignal<T>(what, new Promise(() => {}), options.signal)
      this.#channel ??= await this.#open()
      try {
        return await call(this.#channel)
      } catch (error) {
        throw this.#link.failure(error, what)
      }
    })
    this.#turn = result.catch(() => undefined)
    return raceSignal(what, result, options?.signal)
  }

  /** As `run`; undefined when the thing does not exist. */
  async find<T>(
    what: string,
    call: (channel: Channel) => Promise<T>,
    options?: CallOptions,
  ): Promise<T | undefined> {
    try {
      return await this.run(what, call, options)
    } catch (error) {
      if (replyCode((error as Error).cause) === 404) return undefined
      throw error
    }
  }

  async #open(): Promise<Channel> {
    const channel = await this.#link.channel()
    channel.on('close', () => {
      if (this.#channel === channel) this.#channel = undefined
    })
    return channel
  }

  async declareExchange(exchange: ExchangeDeclaration, options?: CallOptions): Promise<void> {
    const { name, type, noDeclare, passive } = exchange
    if (noDeclare === true || name === '' || (name.startsWith('amq.') && passive !== true)) return
    const what = `exchange ${JSON.stringify(name)}`
    await this.run(
      what,
      (channel) =>
        passive === true
          ? channel.checkExchange(name)
          : channel.assertExchange(name, type, {
              durable: exchange.durable,
              autoDelete: exchange.autoDelete,
              arguments: encodeTable(exchange.arguments ?? {}),
            }),
      options,
    )
  }

  /** In kombu's order: the exchanges, the queue, its bindings (kombu/entity.py 5.7). */
  async declareQueue(queue: QueueDeclaration, options?: CallOptions): Promise<void> {
    if (queue.noDeclare === true) return
    const what = `queue ${JSON.stringify(queue.name)}`
    for (const { exchange } of queue.bindings) await this.declareExchange(exchange, options)
    if (queue.passive === true) {
      await this.run(what, (channel) => channel.checkQueue(queue.name), options)
    } else {
      await this.run(
        what,
        (channel) =>
          channel.assertQueue(queue.name, {
            durable: queue.durable,
            exclusive: queue.exclusive,
            autoDelete: queue.autoDelete,
            arguments: encodeTable(queue.arguments ?? {}),
          }),
        options,
      )
    }
    for (const binding of queue.bindings) {
      // The default exchange is bound to every queue by itself and refuses more.
      if (binding.exchange.name === '') continue
      await this.run(
        `binding ${what} to exchange ${JSON.stringify(binding.exchange.name)}`,
        (channel) =>
          channel.bindQueue(
            queue.name,
            binding.exchange.name,
            binding.routingKey,
            encodeTable(binding.arguments ?? {}),
          ),
        options,
      )
    }
  }
}
