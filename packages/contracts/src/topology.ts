/** Exchanges, queues and bindings as core wants them to exist (kombu/entity.py 5.7). Durations are seconds, as in Celery. */
import type { ExchangeType, HeaderTable } from './message.ts'

export interface ExchangeDeclaration {
  readonly name: string
  readonly type: ExchangeType
  readonly durable: boolean
  readonly autoDelete: boolean
  readonly arguments?: HeaderTable
  /** Check that it exists instead of creating it. */
  readonly passive?: boolean
  readonly noDeclare?: boolean
}

export interface BindingDeclaration {
  readonly exchange: ExchangeDeclaration
  readonly routingKey: string
  readonly arguments?: HeaderTable
}

export interface QueueDeclaration {
  readonly name: string
  readonly durable: boolean
  readonly exclusive: boolean
  readonly autoDelete: boolean
  /** `x-…` arguments, friendly options (`expires`, `messageTtl`, …) already turned into them by core. */
  readonly arguments?: HeaderTable
  /** Empty for a queue of the default exchange alone. */
  readonly bindings: readonly BindingDeclaration[]
  readonly passive?: boolean
  readonly noDeclare?: boolean
}
