import type { BrokerConnection, ExchangeDeclaration, QueueDeclaration } from '@ct/contracts'

type Declaration = QueueDeclaration | ExchangeDeclaration

interface Known {
  readonly done: Set<Declaration>
  readonly pending: Map<Declaration, Promise<void>>
}

const nothing: readonly never[] = Object.freeze([])

/**
 * What was declared on which connection, by identity; each is declared once per connection, however many publish at the same time.
 */
export class Declarations {
  readonly #connections = new WeakMap<BrokerConnection, Known>()

  has(
    connection: BrokerConnection,
    queues: readonly QueueDeclaration[] = nothing,
    exchanges: readonly ExchangeDeclaration[] = nothing,
  ): boolean {
    const done = this.#connections.get(connection)?.done
    if (done === undefined) return queues.length === 0 && exchanges.length === 0
    for (const queue of queues) if (!done.has(queue)) return false
    for (const exchange of exchanges) if (!done.has(exchange)) return false
    return true
  }

  /** Somebody has deleted them. */
  forget(connection: BrokerConnection, queues: readonly QueueDeclaration[]): void {
    const done = this.#connections.get(connection)?.done
    for (const queue of queues) done?.delete(queue)
  }

  /** Resolves when all are declared; not bound to a signal, since others may wait for the same declaration. */
  async declare(
    connection: BrokerConnection,
    queues: readonly QueueDeclaration[] = nothing,
    exchanges: readonly ExchangeDeclaration[] = nothing,
  ): Promise<void> {
    let known = this.#connections.get(connection)
    if (known === undefined)
      this.#connections.set(connection, (known = { done: new Set(), pending: new Map() }))
    const { done, pending } = known
    const isFresh = (one: Declaration): boolean => !done.has(one) && !pending.has(one)
    const freshQueues = queues.filter(isFresh)
    const freshExchanges = exchanges.filter(isFresh)
    const fresh = [...freshQueues, ...freshExchanges]
    if (fresh.length > 0) {
      const options = freshExchanges.length === 0 ? undefined : { exchanges: freshExchanges }
      const declaring = connection.declare(freshQueues, options).then(() => {
        // A process that makes up queue names without end must not remember them all.
        if (done.size > 10_000) done.clear()
        for (const one of fresh) if (!isVolatile(one)) done.add(one)
      })
      const settled = declaring.finally(() => {
        for (const one of fresh) pending.delete(one)
      })
      for (const one of fresh) pending.set(one, settled)
    }
    const waiting = [...queues, ...exchanges].flatMap((one) => pending.get(one) ?? [])
    await Promise.all(new Set(waiting))
  }
}

/** What may go by itself while nobody looks is declared each time (`can_cache_declaration`, kombu/entity.py 5.7). */
function isVolatile(one: Declaration): boolean {
  return one.autoDelete || ('bindings' in one && one.arguments?.['x-expires'] !== undefined)
}
