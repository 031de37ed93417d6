import type { BrokerConnection, QueueDeclaration } from '@ct/contracts'

/** Which queues were declared on which connection; each is declared once per connection, however many publish at the same time. */
export class Declarations {
  readonly #connections = new WeakMap<
    BrokerConnection,
    { readonly done: Set<QueueDeclaration>; readonly pending: Map<QueueDeclaration, Promise<void>> }
  >()

  has(connection: BrokerConnection, queues: readonly QueueDeclaration[]): boolean {
    const known = this.#connections.get(connection)?.done
    if (known === undefined) return queues.length === 0
    for (const queue of queues) if (!known.has(queue)) return false
    return true
  }

  /** Resolves when all are declared; not bound to a signal, since others may wait for the same declaration. */
  async declare(connection: BrokerConnection, queues: readonly QueueDeclaration[]): Promise<void> {
    let known = this.#connections.get(connection)
    if (known === undefined) {
      known = { done: new Set(), pending: new Map() }
      this.#connections.set(connection, known)
    }
    const { done, pending } = known
    const fresh = queues.filter((queue) => !done.has(queue) && !pending.has(queue))
    if (fresh.length > 0) {
      const declaring = connection.declare(fresh).then(() => {
        // A process that makes up queue names without end must not remember them all.
        if (done.size > 10_000) done.clear()
        for (const queue of fresh) done.add(queue)
      })
      const settled = declaring.finally(() => {
        for (const queue of fresh) pending.delete(queue)
      })
      for (const queue of fresh) pending.set(queue, settled)
    }
    const waiting = new Set(
      queues.map((queue) => pending.get(queue)).filter((promise) => promise !== undefined),
    )
    await Promise.all(waiting)
  }
}
