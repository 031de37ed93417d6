/** What the worker holds and has done, for settling, lease renewal and remote control. */
import type { Delivery } from '@ct/contracts'
import type { Phase, Request } from './request.ts'

/** Of the tasks that are counted. */
const mostNames = 10_000

export class WorkerState {
  /** Every request that is not done, and those whose settlement is not confirmed yet. */
  readonly open: Set<Request> = new Set()
  /** Started tasks by display name; beyond {@link mostNames}, which callers may make up (`shadow`), by the name of their task. */
  readonly totals: Map<string, number> = new Map()
  active = 0
  processed = 0

  accepted(request: Request): void {
    this.active += 1
    this.processed += 1
    const known = this.totals.has(request.name) || this.totals.size < mostNames
    const name = known ? request.name : request.message.task
    this.totals.set(name, (this.totals.get(name) ?? 0) + 1)
  }

  in(...phases: readonly Phase[]): Request[] {
    return [...this.open].filter((request) => phases.includes(request.phase))
  }

  find(id: string): Request[] {
    return [...this.open].filter((request) => request.id === id && request.phase !== 'done')
  }

  /** Everything that a new connection has to take over: its settlement has not reached the broker. */
  unconfirmed(): Request[] {
    return [...this.open].filter((request) => !request.confirmed && request.disowned !== 'lease-lost')
  }

  /** Everything whose lease is ours to renew. */
  held(): Delivery[] {
    const held: Delivery[] = []
    for (const { delivery, disowned } of this.open) {
      if (!delivery.settled && disowned !== 'lease-lost') held.push(delivery)
    }
    return held
  }
}
