/** Watches what an app sends, without a worker: wraps any broker and reads the tasks that are published through it. */
import assert from 'node:assert/strict'
import { isDeepStrictEqual } from 'node:util'
import {
  CompressorRegistry,
  ConfigurationError,
  defineBroker,
  readTaskBody,
  readTaskMessage,
  SerializerRegistry,
  type Broker,
  type BrokerConnection,
  type Delivery,
  type MessageCodecs,
  type OutgoingMessage,
  type Settlement,
} from '@ct/contracts'

/** A task that was sent, with its arguments decoded. */
export interface SentTask {
  readonly name: string
  readonly id: string
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  /** ISO 8601, as it stands in the message. */
  readonly eta: string | null
  readonly expires: string | null
  readonly exchange: string
  readonly routingKey: string
  readonly message: OutgoingMessage
}

export interface SpyBroker extends Broker {
  /** Tasks published so far, oldest first. */
  readonly sent: readonly SentTask[]
  /** Forgets what was sent, between two tests. */
  clear(): void
}

/**
 * @example
 * const broker = spyBroker(memoryBroker())
 * const app = createApp({ broker })
 * await signUp(app, 'a@example.org')
 * expectTaskSent(broker, 'mail.send', { args: ['a@example.org'] })
 */
export function spyBroker(
  inner: Broker,
  options: {
    /** Those of the app, where it has any of its own. */
    readonly serializers?: SerializerRegistry | undefined
    readonly compressors?: CompressorRegistry | undefined
  } = {},
): SpyBroker {
  const { serializers = new SerializerRegistry(), compressors = new CompressorRegistry() } = options
  const sent: SentTask[] = []
  const note = (message: OutgoingMessage): void => {
    const task = readSent(message, {
      serializers,
      compressors,
      accept: serializers.accept([message.contentType]),
      maxBytes: 2 ** 30,
    })
    if (task !== undefined) sent.push(task)
  }
  const broker = defineBroker({
    name: inner.name,
    packageName: inner.packageName,
    capabilities: inner.capabilities,
    describe: () => inner.describe(),
    connect: async (connecting) => spyConnection(await inner.connect(connecting), note),
    settlesWith: (backend) => inner.settlesWith(backend),
    close: () => inner.close(),
  })
  return Object.assign(broker, { sent, clear: () => void sent.splice(0) })
}

function spyConnection(inner: BrokerConnection, note: (message: OutgoingMessage) => void): BrokerConnection {
  const { administration } = inner
  return {
    leaseMs: inner.leaseMs,
    parked: inner.parked,
    ...(administration === undefined ? {} : { administration }),
    ...(inner.prepareDelays === undefined
      ? {}
      : { prepareDelays: (queues, options) => inner.prepareDelays!(queues, options) }),
    ...(inner.postpone === undefined
      ? {}
      : { postpone: (delivery, notBefore, options) => inner.postpone!(delivery, notBefore, options) }),
    declare: (queues, options) => inner.declare(queues, options),
    async publish(message, options) {
      await inner.publish(message, options)
      note(message)
    },
    async publishMany(messages, options) {
      const outcomes = await inner.publishMany(messages, options)
      for (const [index, message] of messages.entries()) if (outcomes[index] === undefined) note(message)
      return outcomes
    },
    openConsumer: (options) =>
      inner.openConsumer({
        ...options,
        onDelivery: (delivery) => options.onDelivery(spyDelivery(delivery, note)),
      }),
    queueSize: (queue, options) => inner.queueSize(queue, options),
    purge: (queue, options) => inner.purge(queue, options),
    deleteQueue: (queue, options) => inner.deleteQueue(queue, options),
    close: () => inner.close(),
    [Symbol.asyncDispose]: () => inner.close(),
  }
}

/** The same delivery, whose settlement tells of the messages that it carries once they are out: where the broker can, what follows from a task goes so. */
function spyDelivery(delivery: Delivery, note: (message: OutgoingMessage) => void): Delivery {
  if (delivery.carries === undefined) return delivery
  const settle = delivery.settle.bind(delivery)
  return Object.assign(delivery, {
    settle(settlement: Settlement): Promise<void> {
      const counts = !delivery.settled
      const settling = settle(settlement)
      if (!counts || !('messages' in settlement)) return settling
      const { messages = [] } = settlement
      settling.then(
        () => {
          // A part that completed a chord has published nothing.
          if (delivery.settled) for (const message of messages) note(message)
        },
        () => undefined,
      )
      return settling
    },
  })
}

/** Undefined for what is no task: events, control messages. Arguments are decoded when somebody looks: that they cannot be is no fault of who sends. */
function readSent(message: OutgoingMessage, codecs: MessageCodecs): SentTask | undefined {
  if (typeof message.headers['task'] !== 'string') return undefined
  let task: ReturnType<typeof readTaskMessage>
  try {
    task = readTaskMessage(message, codecs)
  } catch {
    // Somebody has made something else of it (`beforeTaskPublish`); workers will refuse it, brokers do not.
    return undefined
  }
  let body: ReturnType<typeof readTaskBody> | undefined
  const read = (): ReturnType<typeof readTaskBody> => (body ??= readTaskBody(task, codecs))
  const { id, eta, expires } = task
  const { exchange, routingKey } = message
  return {
    name: task.task,
    id,
    get args() {
      return read().args
    },
    get kwargs() {
      return read().kwargs
    },
    eta,
    expires,
    exchange,
    routingKey,
    message,
  }
}

/** What is to be looked for; what is left out may be anything. */
export interface ExpectedTask {
  readonly args?: readonly unknown[]
  readonly kwargs?: Readonly<Record<string, unknown>>
  readonly routingKey?: string
  readonly id?: string
}

/** The last task of that name that fits; an `AssertionError` that lists what was sent where there is none. Error: `CT_CONFIGURATION`. */
export function expectTaskSent(
  spy: Pick<SpyBroker, 'sent'>,
  name: string,
  expected: ExpectedTask = {},
): SentTask {
  checkExpected(expected)
  const found = spy.sent.findLast((task) => task.name === name && fits(task, expected))
  if (found !== undefined) return found
  return assert.fail(`No task ${name} was sent with ${show(expected)}. Sent: ${list(spy.sent)}`)
}

/** An `AssertionError` when such a task was sent. */
export function expectNoTaskSent(
  spy: Pick<SpyBroker, 'sent'>,
  name: string,
  expected: ExpectedTask = {},
): void {
  checkExpected(expected)
  const found = spy.sent.filter((task) => task.name === name && fits(task, expected))
  if (found.length > 0) assert.fail(`Task ${name} should not have been sent, but was: ${list(found)}`)
}

function fits(task: SentTask, expected: ExpectedTask): boolean {
  return Object.entries(expected).every(
    ([field, value]) =>
      value === undefined || isDeepStrictEqual(plain(task[field as keyof ExpectedTask]), plain(value)),
  )
}

const known: readonly string[] = ['args', 'kwargs', 'routingKey', 'id'] satisfies (keyof ExpectedTask)[]

/** What no task has would fit none: an assertion that nothing was sent could not fail. */
function checkExpected(expected: ExpectedTask): void {
  const stray = Object.keys(expected).find((field) => !known.includes(field))
  if (stray === undefined) return
  throw new ConfigurationError(
    `A task that was sent has no "${stray}" to expect here; it has ${known.join(', ')}. Apps of testApp() have more: expectSent(app, …).`,
  )
}

/** Decoded tables may have no prototype; what counts is what they hold. */
function plain(value: unknown): unknown {
  return typeof value === 'object' && value !== null ? structuredClone(value) : value
}

function list(tasks: readonly SentTask[]): string {
  if (tasks.length === 0) return 'nothing.'
  return tasks.map(({ name, args, kwargs }) => `\n  ${name} ${show({ args, kwargs })}`).join('')
}

function show(value: unknown): string {
  return JSON.stringify(value, (_, each: unknown) => (typeof each === 'bigint' ? String(each) : each))
}
