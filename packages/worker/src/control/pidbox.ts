/**
 * The worker's ear for remote control (kombu/pidbox.py, celery/worker/pidbox.py 5.7): its own queue on the fanout exchange of all nodes,
 * its own consumer, one command at a time. No message can stop it: what cannot be read costs a log line, what fails is answered with
 * the error, and what takes too long goes on beside the next ones.
 *
 *   received ─► waits for the one before, at most `patienceMs` ─► run ─► answered
 */
import {
  commandArguments,
  isForNode,
  nodeQueue,
  readControlMessage,
  writeReply,
  type CommandRegistry,
  type ControlCodec,
  type ControlMessage,
} from '@ct/client'
import {
  BrokerError,
  ConfigurationError,
  isCeleryError,
  isPlainObject,
  pyRepr,
  type BrokerConnection,
  type Consumer,
  type Delivery,
  type OutgoingMessage,
} from '@ct/contracts'
import { CommandError, noReply, type CommandTarget } from './command.ts'
import { controlCommands } from './control-commands.ts'
import { inspectCommands } from './inspect-commands.ts'

const commands = new Map([...Object.entries(inspectCommands), ...Object.entries(controlCommands)])

/** Celery's commands cannot be replaced: tools rely on them. Throws `CT_CONFIGURATION`. */
export function checkOwnCommands(registry: CommandRegistry): void {
  for (const { definition } of registry.list()) {
    const taken = [definition.name, definition.alias].find((name) => name !== undefined && commands.has(name))
    if (taken === undefined) continue
    throw new ConfigurationError(`"${taken}" is a command of every worker. Give yours another name.`)
  }
}

/** How long a command holds up others, and the end of the worker. */
const patienceMs = 5000

export class Pidbox {
  readonly #target: CommandTarget
  readonly #codec: ControlCodec
  #connection: BrokerConnection | undefined
  #consumer: Consumer | undefined
  #queue: Promise<void> = Promise.resolve()

  constructor(target: CommandTarget) {
    this.#target = target
    const { serializers, settings } = target.context
    this.#codec = {
      serializers,
      serializer: settings.taskSerializer,
      accept: serializers.accept(settings.acceptContent),
    }
  }

  /** For each new connection; the old one is gone with its consumer. */
  async open(connection: BrokerConnection): Promise<void> {
    // Setting up may have failed half-way; two consumers would answer twice.
    await this.#consumer?.close().catch(() => undefined)
    this.#connection = connection
    const consumer = await connection.openConsumer({
      credit: Infinity,
      onDelivery: (delivery) => this.#receive(delivery),
    })
    this.#consumer = consumer
    const { hostname, context } = this.#target
    const queue = nodeQueue(hostname, context.settings)
    try {
      await consumer.subscribe([{ queue, noAck: true, exchangeType: 'fanout' }])
    } catch (error) {
      throw isNameTaken(error) ? nameTaken(hostname, error) : error
    }
  }

  /** Name of the queue it listens to. */
  get queue(): string {
    return nodeQueue(this.#target.hostname, this.#target.context.settings).name
  }

  /** The broker has ended the subscription: the queue was deleted, or had expired. */
  async reopen(): Promise<void> {
    if (this.#connection !== undefined) await this.open(this.#connection)
  }

  async close(): Promise<void> {
    await this.#consumer?.stop().catch(() => undefined)
    await this.#queue
    await this.#consumer?.close()
    this.#consumer = undefined
  }

  #receive(delivery: Delivery): void {
    this.#queue = this.#queue.then(() => this.#inTime(this.#handle(delivery)))
  }

  /** Waits for it no longer than is good for the others. */
  async #inTime(handled: Promise<void>): Promise<void> {
    const { promise, resolve } = Promise.withResolvers<void>()
    const timer = setTimeout(() => {
      this.#target.context.logger.warn(
        `A command of remote control has not ended after ${patienceMs / 1000} s; others wait for it no longer.`,
      )
      resolve()
    }, patienceMs)
    await Promise.race([handled, promise])
    clearTimeout(timer)
  }

  async #handle(delivery: Delivery): Promise<void> {
    const { logger, clock } = this.#target.context
    try {
      const request = readControlMessage(delivery, this.#codec)
      clock.forward()
      clock.adjust(request.clock)
      if (!isForNode(request, this.#target.hostname)) return
      const value = await this.#run(request)
      if (value === noReply || request.replyTo === undefined) return
      const { controlQueueExpires } = this.#target.context.settings
      await this.#connection?.publish({
        ...this.#reply(request, value)!,
        // Who asked may have died over it, and what he would have read is nobody's then.
        ...(controlQueueExpires === null ? {} : { queueExpiresMs: controlQueueExpires * 1000 }),
      })
    } catch (error) {
      const why = error instanceof Error ? error.message : String(error)
      logger.error(`A control message could not be handled: ${why}`, { error })
    }
  }

  async #run(request: ControlMessage): Promise<unknown> {
    const { logger } = this.#target.context
    try {
      const command = commands.get(request.method)
      if (command === undefined) return await this.#runOwn(request)
      const stray = Object.keys(request.arguments).find((name) => command.strict?.includes(name) === false)
      if (stray !== undefined) {
        throw new CommandError(
          'TypeError',
          `${request.method}() got an unexpected keyword argument '${stray}'`,
        )
      }
      return await command.run(this.#target, request.arguments)
    } catch (error) {
      logger.error(`pidbox command error: ${pyRepr(error)}`, error instanceof CommandError ? {} : { error })
      return { error: pyRepr(error) }
    }
  }

  async #runOwn(request: ControlMessage): Promise<unknown> {
    const { context, worker } = this.#target
    const own = context.commands.get(request.method)
    if (own === undefined) throw new CommandError('KeyError', request.method)
    return await own.run(worker, commandArguments(own.definition, request.arguments))
  }

  #reply(request: ControlMessage, value: unknown): OutgoingMessage | undefined {
    const { hostname, context } = this.#target
    const clock = context.clock.forward()
    try {
      return writeReply(request, hostname, value, clock, this.#codec)
    } catch {
      return writeReply(request, hostname, jsonSafe(value, 0), clock, this.#codec)
    }
  }
}

/** The queue is exclusive to another connection (AMQP's 405; kombu/pidbox.py 5.7). */
function isNameTaken(error: unknown): boolean {
  return isCeleryError(error) && error.details['replyCode'] === 405
}

function nameTaken(hostname: string, cause: unknown): BrokerError {
  return new BrokerError(
    `A node named ${hostname} is already using this process mailbox. Give each node a name of its own; if the other one has died, its connection ends with its heartbeats.`,
    { cause, retryable: true },
  )
}

/** What the serializer cannot say is said as text (CTRL-10). */
function jsonSafe(value: unknown, depth: number): unknown {
  if (value === null || typeof value === 'string' || typeof value === 'boolean') return value
  if (typeof value === 'number') return Number.isFinite(value) ? value : pyRepr(value)
  if (depth < 20 && Array.isArray(value)) return value.map((one) => jsonSafe(one, depth + 1))
  if (depth < 20 && isPlainObject(value)) {
    return Object.fromEntries(Object.entries(value).map(([key, one]) => [key, jsonSafe(one, depth + 1)]))
  }
  return pyRepr(value)
}
