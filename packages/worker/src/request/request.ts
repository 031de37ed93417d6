/**
 * One message that the worker holds, from its reception to its end.
 *
 *   received ─┬─► scheduled (waits for its ETA) ─┐
 *             ├─► limited (waits for a token) ───┼─► reserved ─► active ─► done
 *             └──────────────────────────────────┘
 *   every state ─► done: revoked, expired, released, lease lost
 *
 * It is settled at most once; later attempts change nothing. `acknowledged` says that an ack, a reject or a requeue was made.
 */
import type { Outbox } from '@ct/client'
import type { Delivery, PoolTicket, ResultHandle, Settlement, TaskBody, TaskMessage } from '@ct/contracts'
import type { Strategy } from './strategy.ts'

export type Phase = 'received' | 'scheduled' | 'limited' | 'reserved' | 'active' | 'done'

/** Why the outcome of a run is not wanted any more. */
export type Disowned = 'lease-lost' | 'time-limit' | 'terminated' | 'cancelled'

export class Request {
  /** Another one when the connection was lost while the task ran and the message came again. */
  delivery: Delivery
  readonly message: TaskMessage
  readonly body: TaskBody
  readonly strategy: Strategy
  readonly id: string
  phase: Phase = 'received'
  acknowledged = false
  /** Effective: the message's wish, else that results of its queue are not kept, else the task's own setting. */
  readonly ignoreResult: boolean
  /** No links, no chain, no chord: nothing is to be done after the run but to store and settle. */
  readonly isPlain: boolean
  /** Epoch seconds of the start. */
  timeStart: number | undefined
  /** Monotonic ms of the start. */
  startedAt = 0
  /** As measured where it ran. */
  ranMs: number | undefined
  workerPid: number | undefined
  ticket: PoolTicket | undefined
  disowned: Disowned | undefined
  /** A terminate was asked for while it was reserved; carried out when it starts. */
  terminateSignal: string | undefined
  /** It is being handed to the broker until its ETA: who gives it back meanwhile makes two of it. */
  moving = false
  /** Announced as revoked already. */
  revoked = false
  timers: NodeJS.Timeout[] | undefined
  /** Of its value, made where it ran. */
  resultRepr: string | undefined
  /** In a slot elsewhere: what observers of the run tell the worker (`ct:task:return`). */
  carried: Record<string, string> | undefined
  /** What it leads to and its settlement carries; made when its end begins. */
  outbox: Outbox | undefined
  /** What follows a settlement that failed and is made again later; `error` when it never will be. */
  afterwards: ((error?: unknown) => void) | undefined
  /** Results of what the task sent. */
  children: ResultHandle[] | undefined

  constructor(
    delivery: Delivery,
    message: TaskMessage,
    body: TaskBody,
    strategy: Strategy,
    ignoredByDefault = strategy.options.ignoreResult,
  ) {
    this.delivery = delivery
    this.message = message
    this.body = body
    this.strategy = strategy
    this.id = message.id
    this.ignoreResult = message.ignoreResult ?? ignoredByDefault
    const { embed } = body
    this.isPlain =
      embed.callbacks === null && embed.errbacks === null && embed.chain === null && embed.chord === null
  }

  /** Name in logs, events and `info()`. */
  get name(): string {
    const { shadow, task } = this.message
    return shadow === null || shadow === '' ? task : shadow
  }

  /** Fields of every line of the log that begins with it. The name is the task's, as in Celery's `%(task_name)s`. */
  get logFields(): { readonly taskName: string; readonly taskId: string; readonly rootId: string } {
    return { taskName: this.message.task, taskId: this.id, rootId: this.message.rootId ?? this.id }
  }

  /** `name[id]`, as it stands in log lines. */
  get label(): string {
    return `${this.name}[${this.id}]`
  }

  get storeErrors(): boolean {
    return !this.ignoreResult || this.strategy.options.storeErrorsEvenIfIgnored
  }

  /** Seconds; the message's own limits win. */
  get timeLimit(): number | null {
    return this.message.timeLimit ?? this.strategy.timeLimit
  }

  get softTimeLimit(): number | null {
    return this.message.softTimeLimit ?? this.strategy.softTimeLimit
  }

  /** How it was settled. */
  settlement: Settlement | undefined
  /** The settlement has reached the broker. */
  confirmed = false

  /** Seconds that it ran, or has run so far. */
  get runtime(): number {
    return (this.ranMs ?? performance.now() - this.startedAt) / 1000
  }

  /** Undefined when it was settled before or is no longer ours. */
  settle(settlement: Settlement): Promise<void> | undefined {
    if (this.acknowledged || this.disowned === 'lease-lost') return undefined
    this.acknowledged = true
    this.settlement = settlement
    return this.delivery.settle(settlement)
  }

  /** The settlement did not count: the message is still held. */
  unsettle(): void {
    this.acknowledged = false
    this.settlement = undefined
  }

  clearTimers(): void {
    if (this.timers === undefined) return
    for (const timer of this.timers) clearTimeout(timer)
    this.timers = undefined
  }

  /** Shape of worker-behaviour §7.3. */
  info(hostname: string, safe = false): Record<string, unknown> {
    const { delivery, message } = this
    return {
      id: this.id,
      name: this.name,
      args: safe ? message.argsrepr : this.body.args,
      kwargs: safe ? message.kwargsrepr : this.body.kwargs,
      type: message.task,
      hostname,
      time_start: this.timeStart ?? null,
      acknowledged: this.acknowledged,
      delivery_info: {
        exchange: delivery.info.exchange,
        routing_key: delivery.info.routingKey,
        priority: message.priority ?? null,
        redelivered: delivery.info.redelivered,
      },
      worker_pid: this.workerPid ?? null,
    }
  }
}
