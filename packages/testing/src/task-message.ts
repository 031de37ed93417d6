/** Task messages without a caller, for testing what consumes them (celery/contrib/testing/mocks.py 5.7; TEST-28). */
import { Buffer } from 'node:buffer'
import type { App, AnySignature } from '@ct/client'
import {
  buildTaskMessage,
  ConfigurationError,
  type Delivery,
  type MessageContent,
  type Moment,
  type Settlement,
  type TaskMessageInput,
} from '@ct/contracts'

export interface TaskMessageFields extends Omit<Partial<TaskMessageInput>, 'task' | 'args' | 'kwargs'> {
  readonly args?: readonly unknown[]
  readonly kwargs?: Readonly<Record<string, unknown>>
  /** Celery's task message protocol. Default 2. */
  readonly protocol?: 1 | 2
}

/**
 * A task message as Celery puts it on the wire, JSON, with an id of its own unless one is given. Times become ISO text. Publish it, or make a
 * delivery of it. Errors: `CT_INVALID_MESSAGE`, `CT_ENCODE`.
 */
export function taskMessage(task: string, fields: TaskMessageFields = {}): MessageContent {
  const { protocol = 2, id = crypto.randomUUID(), origin = 'gen0@test', ...rest } = fields
  if (protocol === 2) return buildTaskMessage({ task, id, origin, ...rest })
  if (protocol !== 1) throw new ConfigurationError(`There is no task message protocol ${String(protocol)}.`)
  const {
    args = [],
    kwargs = {},
    retries = 0,
    eta,
    expires,
    callbacks,
    errbacks,
    timeLimit,
    softTimeLimit,
  } = rest
  const body = {
    task,
    id,
    args,
    kwargs,
    group: rest.group ?? null,
    retries,
    eta: isoText(eta),
    expires: isoText(expires),
    utc: true,
    callbacks: callbacks ?? null,
    errbacks: errbacks ?? null,
    timelimit: [timeLimit ?? null, softTimeLimit ?? null],
    taskset: rest.group ?? null,
    chord: rest.chord ?? null,
  }
  return {
    body: Buffer.from(JSON.stringify(body)),
    contentType: 'application/json',
    contentEncoding: 'utf-8',
    headers: { ...rest.headers },
    properties: {
      correlationId: id,
      replyTo: rest.replyTo ?? '',
      deliveryMode: 2,
      priority: rest.priority ?? 0,
    },
  }
}

/** The message of a signature of one task, as `taskMessage`; its options `task_id`, `retries` and the like go into it. */
export function messageOf(signature: AnySignature, fields: TaskMessageFields = {}): MessageContent {
  const { task, args, kwargs, options } = signature.toJSON()
  const { task_id, retries, priority, headers } = options as {
    readonly task_id?: string
    readonly retries?: number
    readonly priority?: number
    readonly headers?: Readonly<Record<string, unknown>>
  }
  return taskMessage(task, {
    args: args as readonly unknown[],
    kwargs: kwargs as Readonly<Record<string, unknown>>,
    ...(task_id === undefined ? {} : { id: task_id }),
    ...(retries === undefined ? {} : { retries }),
    ...(priority === undefined ? {} : { priority }),
    ...(headers === undefined ? {} : { headers }),
    ...fields,
  })
}

/** A delivery that nobody made, for calling a consumer of your own with; how it is settled is kept. */
export interface TestDelivery extends Delivery {
  readonly settlements: readonly Settlement[]
}

/** `queue` default `celery`; `redelivered` default false. */
export function testDelivery(
  message: MessageContent,
  where: { readonly queue?: string; readonly redelivered?: boolean } = {},
): TestDelivery {
  const { queue = 'celery', redelivered = false } = where
  const settlements: Settlement[] = []
  let starts = 0
  return {
    ...message,
    tag: crypto.randomUUID(),
    queue,
    info: { exchange: '', routingKey: queue, priority: message.properties.priority, redelivered },
    get settled() {
      return settlements.length > 0
    },
    settlements,
    settle: async (settlement) => void settlements.push(settlement),
    countStart: async () => ++starts,
  }
}

/** Puts a message into a queue of the app's broker, past everything that callers do. */
export async function putMessage(app: App, message: MessageContent, queue: string = 'celery'): Promise<void> {
  const { broker, queues } = app.context
  await using connection = await broker.connect({ onNotice: () => undefined })
  await connection.declare([queues.get(queue).declaration])
  await connection.publish({ ...message, exchange: '', routingKey: queue })
}

function isoText(moment: Moment | null | undefined): string | null {
  if (moment == null) return null
  return typeof moment === 'string' ? moment : new Date(moment).toISOString().replace('Z', '+00:00')
}
