/** What producers send: orders of five kinds, made from a seed. Each consists of units, and every unit of a confirmed order must end. */
import { Random } from './random.ts'

export type OrderKind = 'plain' | 'eta' | 'retry' | 'chain' | 'chord'

export interface Order {
  readonly key: string
  readonly kind: OrderKind
  /** One per message: of a chain's steps, of a chord's parts and then its body. */
  readonly queues: readonly string[]
  readonly workMs: number
  readonly countdownMs?: number
  /** How often it asks to be retried before it ends. */
  readonly retries?: number
}

/** One run of a handler that has to happen. A retry is a unit of its own. */
export interface Unit {
  readonly name: string
  readonly key: string
  readonly retry: number
  /** The units whose end makes this one be published; none: the producer publishes it. */
  readonly after: readonly string[]
  /** Its task ends here: the result SUCCESS must be stored. */
  readonly last: boolean
}

export function unitName(key: string, retry: number): string {
  return retry === 0 ? key : `${key}#${retry}`
}

export function unitsOf(order: Order): Unit[] {
  const { key, kind, queues, retries = 0 } = order
  const unit = (name: string, after: readonly string[] = [], retry = 0, last = true): Unit => ({
    name: unitName(name, retry),
    key: name,
    retry,
    after,
    last,
  })
  switch (kind) {
    case 'plain':
    case 'eta':
      return [unit(key)]
    case 'retry':
      return Array.from({ length: retries + 1 }, (_, n) =>
        unit(key, n === 0 ? [] : [unitName(key, n - 1)], n, n === retries),
      )
    case 'chain':
      return queues.map((_, n) => unit(`${key}.${n}`, n === 0 ? [] : [`${key}.${n - 1}`]))
    case 'chord': {
      const parts = queues.slice(0, -1).map((_, n) => unit(`${key}.${n}`))
      return [
        ...parts,
        unit(
          `${key}.body`,
          parts.map(({ name }) => name),
        ),
      ]
    }
  }
}

export interface OrderOptions {
  readonly seed: number
  /** Before every key. */
  readonly prefix: string
  readonly count: number
  /** Queues and how often each is chosen. */
  readonly queues: Readonly<Record<string, number>>
  /** Queues for orders with an ETA beyond the lease: of consumers that renew it. */
  readonly patientQueues: readonly string[]
  readonly leaseMs: number
  readonly kinds: Readonly<Record<OrderKind, number>>
}

export function makeOrders(options: OrderOptions): Order[] {
  const random = new Random(options.seed)
  return Array.from({ length: options.count }, (_, n) => makeOrder(options, random, `${options.prefix}${n}`))
}

function makeOrder(options: OrderOptions, random: Random, key: string): Order {
  const kind = random.weighted(options.kinds)
  const queues = (count: number): string[] =>
    Array.from({ length: count }, () => random.weighted(options.queues))
  const workMs = random.next() < 0.1 ? random.between(50, 400) : random.between(0, 20)
  switch (kind) {
    case 'plain':
      return { key, kind, queues: queues(1), workMs }
    case 'eta': {
      const far = random.next() < 0.4
      if (far) {
        const countdownMs = random.between(options.leaseMs, options.leaseMs * 2)
        return { key, kind, queues: [random.pick(options.patientQueues)], workMs, countdownMs }
      }
      return { key, kind, queues: queues(1), workMs, countdownMs: random.between(100, options.leaseMs * 0.4) }
    }
    case 'retry':
      return {
        key,
        kind,
        queues: queues(1),
        workMs,
        retries: random.between(1, 3),
        countdownMs: random.pick([0, 0, 100, 500]),
      }
    case 'chain':
      return { key, kind, queues: queues(random.between(2, 4)), workMs }
    case 'chord':
      return { key, kind, queues: queues(random.between(3, 7)), workMs }
  }
}
