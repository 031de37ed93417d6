/** What remote control commands are made of. */
import type { AppContext, Queue } from '@ct/client'
import type { Pool } from '@ct/contracts'
import type { Credit, Dispatcher, Reception } from '../consumer/index.ts'
import type { Revocations, Strategy, WorkerState } from '../request/index.ts'

/** What a command may see and do: the worker, without its inner life. */
export interface CommandTarget {
  readonly context: AppContext
  readonly hostname: string
  readonly state: WorkerState
  readonly revocations: Revocations
  readonly strategies: ReadonlyMap<string, Strategy>
  readonly dispatcher: Dispatcher
  readonly reception: Reception
  readonly credit: Credit
  readonly pool: Pool
  /** Epoch ms. */
  readonly startedAt: number
  /** Queues consumed from. */
  queues(): Iterable<Queue>
  addQueue(queue: Queue): Promise<void>
  cancelQueue(name: string): Promise<void>
  /** Undefined: no event dispatcher. `changed` is false when it was so already. */
  enableEvents(): { readonly changed: boolean } | undefined
  disableEvents(): { readonly changed: boolean } | undefined
  sendHeartbeat(): void
  resizePool(by: number): Promise<void>
  /** What bootsteps add to `stats`. */
  stepInfo(): Readonly<Record<string, unknown>>
  shutdown(): void
}

export type Arguments = Readonly<Record<string, unknown>>

export interface Command {
  readonly kind: 'inspect' | 'control'
  /** The only arguments it takes; undefined: unknown ones are ignored, as Celery's handlers do. */
  readonly strict?: readonly string[]
  /** `noReply` marks the one command that stays silent. */
  run(target: CommandTarget, args: Arguments): unknown
}

export const noReply: unique symbol = Symbol('no reply')

/** An error under the name Python's handlers would give it; the reply shows its repr. */
export class CommandError extends Error {
  readonly excType: string
  readonly excModule = 'builtins'
  readonly args: readonly unknown[]

  constructor(excType: string, message: string) {
    super(message)
    this.excType = excType
    this.args = [message]
  }
}
