/** What remote control commands are made of. */
import type { AppContext, CommandWorker, Queue } from '@ct/client'
import type { Pool } from '@ct/contracts'
import type { Credit, Dispatcher, Reception } from '../consumer/index.ts'
import type { OpenChords } from '../chords/index.ts'
import type { Elections } from '../elections.ts'
import type { Revocations, Strategy, WorkerState } from '../request/index.ts'

/** What a command may see and do: the worker, without its inner life. */
export interface CommandTarget {
  readonly context: AppContext
  /** For commands of the user's own. */
  readonly worker: CommandWorker
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
  /** Undefined: the worker does not follow the others. */
  readonly elections: Pick<Elections, 'stand'> | undefined
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
  /** Undefined: chords that stay open are not watched. */
  readonly openChords?: Pick<OpenChords, 'list' | 'repair' | 'fail'> | undefined
  /** Undefined: the pool keeps its size. */
  readonly autoscaler?: CommandAutoscaler | undefined
  /** Loads further modules, and starts pools with children or threads of their own anew. */
  restartPool(modules: readonly string[]): Promise<void>
  shutdown(): void
}

/** What resizes the pool by its load. */
export interface CommandAutoscaler {
  /** What is undefined stays. Gives the limits that are in force then. */
  update(limits: { readonly max?: number | undefined; readonly min?: number | undefined }): {
    readonly max: number
    readonly min: number
  }
  /** For `stats`. */
  info(): Readonly<Record<'max' | 'min' | 'current' | 'qty', number>>
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

/** Python's idea of true: monitors send 1 where Celery sends true. */
export function isTrue(value: unknown): boolean {
  return value !== undefined && value !== null && value !== false && value !== 0 && value !== ''
}
