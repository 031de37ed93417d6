/** What a message says about the task being run (Celery's `task.request`, celery/app/task.py 5.7). */
export interface TaskRequest {
  readonly id: string
  readonly rootId: string | null
  readonly parentId: string | null
  /** Name of the task. */
  readonly task: string
  readonly lang: string | null
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly argsrepr: string | null
  readonly kwargsrepr: string | null
  /** Retries so far. */
  readonly retries: number
  /** Run by `apply()`. */
  readonly isEager: boolean
  /** Called as a function. */
  readonly calledDirectly: boolean
  /** ISO 8601 as received. */
  readonly eta: string | null
  readonly expires: string | null
  /** Seconds. */
  readonly timeLimit: number | null
  readonly softTimeLimit: number | null
  /** Node that runs it. */
  readonly hostname: string | null
  /** Node that sent it. */
  readonly origin: string | null
  readonly correlationId: string | null
  readonly replyTo: string | null
  readonly deliveryInfo: TaskDeliveryInfo
  readonly group: string | null
  readonly groupIndex: number | null
  /** Body of the chord this task is a part of: a signature as data. */
  readonly chord: unknown
  /** Remaining steps of the chain, the last element is next. */
  readonly chain: readonly unknown[] | null
  readonly callbacks: readonly unknown[] | null
  readonly errbacks: readonly unknown[] | null
  /** Headers that are not Celery's own; null when there are none. */
  readonly headers: Readonly<Record<string, unknown>> | null
  readonly properties: Readonly<Record<string, unknown>> | null
  readonly stampedHeaders: readonly string[] | null
  readonly stamps: Readonly<Record<string, unknown>> | null
  /** What the sender wants; null leaves it to the task. */
  readonly ignoreResult: boolean | null
  readonly shadow: string | null
  readonly replacedTaskNesting: number
  readonly utc: boolean
}

export interface TaskDeliveryInfo {
  readonly exchange: string | null
  readonly routingKey: string | null
  readonly priority: number | null
  readonly redelivered: boolean
  readonly isEager?: boolean
}
