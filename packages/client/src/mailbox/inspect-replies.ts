/** What nodes answer to inspect commands. Keys are the wire's own, as in Python's answers. */

/** A request held by a worker. */
export interface RequestInfo {
  readonly id: string
  /** Display name; `type` is the registered one. */
  readonly name: string
  /** Values, or with `safe` their text. */
  readonly args: readonly unknown[] | string
  readonly kwargs: Readonly<Record<string, unknown>> | string
  readonly type: string
  readonly hostname: string
  /** Epoch seconds; null until it starts. */
  readonly time_start: number | null
  readonly acknowledged: boolean
  readonly delivery_info: {
    readonly exchange: string
    readonly routing_key: string
    readonly priority: number | null
    readonly redelivered: boolean | null
  }
  readonly worker_pid: number | null
}

export interface ScheduledInfo {
  /** ISO 8601. */
  readonly eta: string | null
  readonly priority: number
  readonly request: RequestInfo
}

export interface ExchangeInfo {
  readonly name: string
  readonly type: string
  readonly arguments: Readonly<Record<string, unknown>> | null
  readonly durable: boolean
  readonly passive: boolean
  readonly auto_delete: boolean
  readonly delivery_mode: number | null
  readonly no_declare: boolean
}

export interface ActiveQueueInfo {
  readonly name: string
  readonly exchange: ExchangeInfo
  readonly routing_key: string
  readonly queue_arguments: Readonly<Record<string, unknown>> | null
  readonly binding_arguments: Readonly<Record<string, unknown>> | null
  readonly consumer_arguments: Readonly<Record<string, unknown>> | null
  readonly durable: boolean
  readonly exclusive: boolean
  readonly auto_delete: boolean
  readonly no_ack: boolean
  readonly alias: string | null
  readonly bindings: readonly unknown[]
  readonly no_declare: boolean | null
  readonly expires: number | null
  readonly message_ttl: number | null
  readonly max_length: number | null
  readonly max_length_bytes: number | null
  readonly max_priority: number | null
}

export interface StatsInfo {
  /** Tasks accepted, by name. */
  readonly total: Readonly<Record<string, number>>
  readonly pid: number
  /** A number as text. */
  readonly clock: string
  /** Seconds. */
  readonly uptime: number
  readonly pool: Readonly<Record<string, unknown>>
  readonly broker: Readonly<Record<string, unknown>>
  readonly prefetch_count: number | string
  readonly rusage: Readonly<Record<string, number>> | string
  readonly autoscaler?: Readonly<Record<string, number>>
}

export type OkReply<T = string> = { readonly ok: T }
export type ErrorReply = { readonly error: string }

/** `active`, `reserved`, `scheduled` or `ready`, with the request. */
export type QueriedTask = readonly [
  state: 'active' | 'reserved' | 'scheduled' | 'ready' | (string & {}),
  info: RequestInfo,
]

export interface HelloInfo {
  /** Ids, oldest first; Celery before 5.7 sends a mapping from id to time. */
  readonly revoked: readonly string[] | Readonly<Record<string, number>>
  readonly clock: number
}
