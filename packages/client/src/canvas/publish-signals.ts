/**
 * The signals around a publish: what handlers of `beforeTaskPublish` change is what is sent (celery/app/amqp.py 5.7,
 * `send_task_message`). Made only where somebody listens.
 */
import { buildTaskMessage } from '@ct/contracts'
import type {
  OutgoingMessage,
  QueueDeclaration,
  SignatureSource,
  TaskMessageInput,
  TaskMessageOptions,
} from '@ct/contracts'
import type { AppContext } from '../app/context.ts'
import { diagnostics } from '../diagnostics/index.ts'
import type { TaskPublishMessage } from '../diagnostics/index.ts'
import type { PublishOptions } from '../producer/index.ts'
import type { RetryPolicy } from '../routing/index.ts'
import { decoded } from './signature-source.ts'

export interface Announcement {
  /** Before the message is handed over; the message is then what handlers made of it. */
  before(): Promise<void> | undefined
  /** The broker has it. */
  after(): Promise<void> | undefined
  /** It was not sent, or nobody knows. */
  failed(error: unknown): void
}

type Body = [unknown[], Record<string, unknown>, Record<string, unknown>]

interface Changing {
  readonly message: { -readonly [K in keyof OutgoingMessage]: OutgoingMessage[K] }
  readonly publish: { -readonly [K in keyof PublishOptions]: PublishOptions[K] }
  readonly input: TaskMessageInput
  readonly build: TaskMessageOptions
}

/** Undefined: nobody listens. */
export function announcement(ctx: AppContext, parts: Changing): Announcement | undefined {
  const { beforeTaskPublish, afterTaskPublish, taskSent } = ctx.signals
  if (
    !beforeTaskPublish.wanted &&
    !afterTaskPublish.wanted &&
    !taskSent.wanted &&
    !diagnostics.taskPublish.hasSubscribers
  )
    return undefined
  return new PublishSignals(ctx, parts)
}

class PublishSignals implements Announcement {
  readonly #ctx: AppContext
  readonly #parts: Changing
  #body: Body | undefined
  /** What is told on the channel `ct:task:publish`; undefined: nobody listens. */
  #traced: TaskPublishMessage | undefined

  constructor(ctx: AppContext, parts: Changing) {
    this.#ctx = ctx
    this.#parts = parts
  }

  before(): Promise<void> | undefined {
    const { taskPublish } = diagnostics
    if (!taskPublish.hasSubscribers) return this.#before()
    const { message, input } = this.#parts
    const traced: TaskPublishMessage = {
      app: this.#ctx.app,
      task: input.task,
      taskId: input.id,
      exchange: message.exchange,
      routingKey: message.routingKey,
      retries: input.retries ?? 0,
      headers: { ...message.headers },
    }
    this.#traced = traced
    return taskPublish.start.runStores(traced, () => {
      message.headers = traced.headers
      const told = this.#before()
      taskPublish.end.publish(traced)
      return told
    })
  }

  after(): Promise<void> | undefined {
    this.#end()
    return this.#after()
  }

  failed(error: unknown): void {
    if (this.#traced === undefined) return
    this.#traced.error = error
    diagnostics.taskPublish.error.publish(this.#traced)
    this.#end()
  }

  #end(): void {
    const traced = this.#traced
    if (traced === undefined) return
    traced.headers = { ...this.#parts.message.headers }
    diagnostics.taskPublish.asyncStart.publish(traced)
    diagnostics.taskPublish.asyncEnd.publish(traced)
  }

  #before(): Promise<void> | undefined {
    const { beforeTaskPublish } = this.#ctx.signals
    if (!beforeTaskPublish.wanted) return undefined
    const { message, publish, input } = this.#parts
    const body = (): Body => this.#decoded()
    const headers = { ...message.headers }
    const { extra, ...standard } = message.properties
    const properties = { ...standard, ...(extra === undefined ? {} : { extra: { ...extra } }) }
    const declare: QueueDeclaration[] = [...(publish.declare ?? [])]
    const retryPolicy: RetryPolicy = {
      ...this.#ctx.settings.taskPublishRetryPolicy,
      ...publish.retryPolicy,
    } as RetryPolicy
    const sent = beforeTaskPublish.send({
      sender: input.task,
      get body() {
        return body()
      },
      exchange: message.exchange,
      routingKey: message.routingKey,
      headers,
      properties,
      declare,
      retryPolicy,
    })
    const take = (): void => {
      message.headers = headers
      message.properties = properties
      publish.declare = declare
      publish.retryPolicy = retryPolicy
      if (this.#body !== undefined) message.body = this.#encoded(this.#body)
    }
    if (sent === undefined) {
      take()
      return undefined
    }
    return sent.then(take)
  }

  #after(): Promise<void> | undefined {
    const { afterTaskPublish, taskSent } = this.#ctx.signals
    const { message, input } = this.#parts
    const { headers, exchange, routingKey } = message
    const body = (): Body => this.#decoded()
    const after = afterTaskPublish.wanted
      ? afterTaskPublish.send({
          sender: input.task,
          get body() {
            return body()
          },
          headers,
          exchange,
          routingKey,
        })
      : undefined
    if (!taskSent.wanted) return after
    const told = (): Promise<void> | undefined => {
      const [args, kwargs] = this.#decoded()
      return taskSent.send({
        sender: input.task,
        taskId: input.id,
        task: input.task,
        args,
        kwargs,
        eta: headers['eta'] as string | null,
        taskset: headers['group'] as string | null,
      })
    }
    return after === undefined ? told() : after.then(told)
  }

  #decoded(): Body {
    return (this.#body ??= this.#decode())
  }

  #decode(): Body {
    const { args, kwargs, callbacks, errbacks, chain, chord } = this.#parts.input
    const embed = {
      callbacks: callbacks ?? null,
      errbacks: errbacks ?? null,
      chain: chain ?? null,
      chord: chord ?? null,
    }
    return [
      [...(decoded(args ?? []) as unknown[])],
      { ...(decoded(kwargs ?? {}) as Record<string, unknown>) },
      decoded(embed) as Record<string, unknown>,
    ]
  }

  #encoded([args, kwargs, embed]: Body): Uint8Array {
    const { input, build } = this.#parts
    const sources = (name: string): SignatureSource[] | null => embed[name] as SignatureSource[] | null
    return buildTaskMessage(
      {
        task: input.task,
        id: input.id,
        origin: input.origin,
        argsrepr: '',
        kwargsrepr: '',
        args,
        kwargs,
        callbacks: sources('callbacks'),
        errbacks: sources('errbacks'),
        chain: sources('chain'),
        chord: embed['chord'] as SignatureSource | null,
      },
      build,
    ).body
  }
}
