import type { InspectOptions } from './inspect.ts'
import { Inspect } from './inspect.ts'
import type { ErrorReply, OkReply } from './inspect-replies.ts'
import type { BroadcastCallOptions, MailboxOptions } from './mailbox.ts'
import { Mailbox } from './mailbox.ts'

export interface ControlOptions extends MailboxOptions {
  /** Names of the queues {@link Control.purge} empties: those the app consumes from. */
  readonly queues: () => Iterable<string>
}

/** Options of every command; `timeoutMs` and the like count only with `reply`. */
export type CommandOptions = Omit<BroadcastCallOptions, 'arguments'>

export interface RevokeCommandOptions extends CommandOptions {
  /** Also end the task if it runs. Default false. */
  readonly terminate?: boolean | undefined
  /** Signal to end it with. Default `SIGTERM`. */
  readonly killSignal?: string | undefined
}

/** Answers as `{ node: answer }`, in order of arrival; empty unless `reply`. */
export type CommandReplies<T = OkReply | ErrorReply> = readonly Readonly<Record<string, T>>[]

/**
 * Remote control of workers (celery/app/control.py 5.7): `app.control`. Commands resolve when the broker took them, or with
 * `reply: true` to the answers.
 */
export class Control {
  readonly mailbox: Mailbox
  readonly #options: ControlOptions

  constructor(options: ControlOptions) {
    this.#options = options
    this.mailbox = new Mailbox(options)
  }

  /** Questions to workers: `app.control.inspect().active()`. */
  inspect(options: InspectOptions & { readonly destination: string }): Inspect<true>
  inspect(options?: InspectOptions): Inspect
  inspect(options: InspectOptions = {}): Inspect<boolean> {
    return new Inspect<boolean>(this.mailbox, options, this.#options.warn)
  }

  /** Any command; see {@link Mailbox.broadcast}. */
  async broadcast<T = unknown>(
    command: string,
    options: BroadcastCallOptions = {},
  ): Promise<CommandReplies<T>> {
    return (await this.mailbox.broadcast(command, options)) as CommandReplies<T>
  }

  /** Which workers are there: always waits for answers. */
  ping(options: Omit<CommandOptions, 'reply'> = {}): Promise<CommandReplies<OkReply<'pong'>>> {
    return this.broadcast('ping', { ...options, reply: true })
  }

  /** Tells all workers not to run these tasks; ids nobody has seen yet are remembered. */
  revoke(taskIds: string | readonly string[], options: RevokeCommandOptions = {}): Promise<CommandReplies> {
    const { terminate, killSignal, ...rest } = options
    return this.broadcast('revoke', {
      ...rest,
      arguments: { task_id: taskIds, terminate: terminate ?? false, signal: killSignal ?? 'SIGTERM' },
    })
  }

  /** As {@link revoke}, and ends those that run. */
  terminate(
    taskIds: string | readonly string[],
    options: Omit<RevokeCommandOptions, 'terminate'> = {},
  ): Promise<CommandReplies> {
    return this.revoke(taskIds, { ...options, terminate: true })
  }

  /** Revokes every task that carries one of these stamps; values may be lists. */
  revokeByStampedHeaders(
    headers: Readonly<Record<string, unknown>>,
    options: RevokeCommandOptions = {},
  ): Promise<CommandReplies> {
    const { terminate, killSignal, ...rest } = options
    return this.broadcast('revoke_by_stamped_headers', {
      ...rest,
      arguments: { headers, terminate: terminate ?? false, signal: killSignal ?? 'SIGTERM' },
    })
  }

  /** `10/m`, `5/s`, a number per second, or 0 for no limit. */
  rateLimit(
    taskName: string,
    rateLimit: string | number,
    options: CommandOptions = {},
  ): Promise<CommandReplies> {
    return this.broadcast('rate_limit', {
      ...options,
      arguments: { task_name: taskName, rate_limit: rateLimit },
    })
  }

  /** Time limits in seconds of a task from now on; null or absent clears. */
  timeLimit(
    taskName: string,
    limits: { readonly soft?: number | null | undefined; readonly hard?: number | null | undefined },
    options: CommandOptions = {},
  ): Promise<CommandReplies> {
    return this.broadcast('time_limit', {
      ...options,
      arguments: { task_name: taskName, hard: limits.hard ?? null, soft: limits.soft ?? null },
    })
  }

  /** Makes workers consume from a queue; what is not given follows their configuration. `queueOptions` are kombu's, in snake_case. */
  addConsumer(
    queue: string,
    options: CommandOptions & {
      readonly exchange?: string | undefined
      readonly exchangeType?: string | undefined
      readonly routingKey?: string | undefined
      readonly queueOptions?: Readonly<Record<string, unknown>> | undefined
    } = {},
  ): Promise<CommandReplies> {
    const { exchange, exchangeType, routingKey, queueOptions, ...rest } = options
    return this.broadcast('add_consumer', {
      ...rest,
      arguments: {
        queue,
        exchange: exchange ?? null,
        exchange_type: exchangeType ?? 'direct',
        routing_key: routingKey ?? null,
        ...queueOptions,
      },
    })
  }

  cancelConsumer(queue: string, options: CommandOptions = {}): Promise<CommandReplies> {
    return this.broadcast('cancel_consumer', { ...options, arguments: { queue } })
  }

  /** Task events on. */
  enableEvents(options: CommandOptions = {}): Promise<CommandReplies> {
    return this.broadcast('enable_events', options)
  }

  disableEvents(options: CommandOptions = {}): Promise<CommandReplies> {
    return this.broadcast('disable_events', options)
  }

  /** Makes workers send a heartbeat event now. */
  heartbeat(options: CommandOptions = {}): Promise<CommandReplies<null>> {
    return this.broadcast('heartbeat', options)
  }

  poolGrow(n = 1, options: CommandOptions = {}): Promise<CommandReplies> {
    return this.broadcast('pool_grow', { ...options, arguments: { n } })
  }

  poolShrink(n = 1, options: CommandOptions = {}): Promise<CommandReplies> {
    return this.broadcast('pool_shrink', { ...options, arguments: { n } })
  }

  autoscale(max: number | null, min: number | null, options: CommandOptions = {}): Promise<CommandReplies> {
    return this.broadcast('autoscale', { ...options, arguments: { max, min } })
  }

  poolRestart(
    options: CommandOptions & {
      readonly modules?: readonly string[] | undefined
      readonly reload?: boolean | undefined
    } = {},
  ): Promise<CommandReplies> {
    const { modules, reload, ...rest } = options
    return this.broadcast('pool_restart', {
      ...rest,
      arguments: { modules: modules ?? null, reload: reload ?? false, reloader: null },
    })
  }

  /** Warm shutdown. Workers do not answer. */
  shutdown(options: Omit<CommandOptions, 'reply'> = {}): Promise<CommandReplies> {
    return this.broadcast('shutdown', options)
  }

  /** Lets workers agree which of them acts (gossip). */
  election(
    id: string,
    topic: string,
    action: unknown,
    options: CommandOptions = {},
  ): Promise<CommandReplies<null>> {
    return this.broadcast('election', { ...options, arguments: { id, topic, action } })
  }

  /** Deletes what waits in the queues the app consumes from; resolves to how many messages. Workers keep what they hold. */
  async purge(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<number> {
    const connection = await this.#options.producer.connection(options)
    let removed = 0
    for (const queue of this.#options.queues()) removed += await connection.purge(queue, options)
    return removed
  }

  /** Celery's other name of {@link purge}. */
  discardAll(options: { readonly signal?: AbortSignal | undefined } = {}): Promise<number> {
    return this.purge(options)
  }

  /** Never rejects. */
  close(): Promise<void> {
    return this.mailbox.close()
  }
}
