/**
 * What the worker holds when its connection changes: adopted by the new one where the broker can do that, forgotten elsewhere.
 *
 *   not started ─┬─ adopted ─► goes on              active ─┬─ adopted ─► goes on
 *                └─ lost ────► dropped                      └─ lost ────► its signal fires, its outcome is not recorded
 *   done, not settled yet (its result waits for the store, say) ─┬─ adopted ─► goes on
 *                                                                └─ lost ────► what is left of its outcome is not recorded
 *   done, its settlement lost with the connection ─┬─ adopted ─► settled now
 *                                                  └─ lost ────► remembered for when the message comes again
 *
 * Without leases, what is lost comes again at once: of what runs, or is not settled yet, the new message takes the place of the lost one.
 */
import { CeleryError, type Broker, type Consumer, type Delivery } from '@ct/contracts'
import type { Request, WorkerState } from '../request/index.ts'
import type { TraceServices } from '../trace/index.ts'
import type { Credit } from './credit.ts'
import type { Dispatcher } from './dispatcher.ts'
import type { Reception } from './reception.ts'
import type { Unconfirmed } from './unconfirmed.ts'

export interface HeldMessagesOptions {
  readonly broker: Broker
  readonly state: WorkerState
  readonly services: TraceServices
  readonly reception: Pick<Reception, 'drop' | 'clear'>
  readonly dispatcher: Dispatcher
  readonly credit: Credit
  readonly unconfirmed: Unconfirmed
  /** The message of a request that was done is settled at last, or not ours any more, or (with an error) not settled again. */
  readonly onSettledLate: (request: Request, error?: unknown) => void
  readonly reducePrefetch: boolean
  /** Tasks that run are cancelled where their messages come again. */
  readonly cancelOnLoss: boolean
}

/** Beyond it one line for all. */
const mostLines = 5

export class HeldMessages {
  readonly #options: HeldMessagesOptions

  constructor(options: HeldMessagesOptions) {
    this.#options = options
  }

  /** Where nothing can be adopted, what was not started is forgotten at once. */
  connectionLost(): void {
    const { broker, state, services, reception, dispatcher, cancelOnLoss } = this.#options
    if (broker.capabilities.settleAcrossConnections) return
    reception.clear()
    for (const request of state.unconfirmed()) if (request.phase !== 'active') this.forget(request)
    if (!cancelOnLoss) return
    const reason = new CeleryError(
      'CT_LEASE_LOST',
      'The connection to the broker was lost; the task will be delivered again.',
    )
    for (const request of state.in('active')) {
      if (request.acknowledged) continue
      services.log.warn(
        `Task ${request.label} cannot be acknowledged any more, since its connection is lost; it is cancelled.`,
        request.logFields,
      )
      dispatcher.cancel(request, reason, true)
    }
  }

  async takeOver(consumer: Consumer): Promise<void> {
    const { broker, state, services, credit, reducePrefetch } = this.#options
    const before = state.unconfirmed()
    const gone = new Set(
      broker.capabilities.settleAcrossConnections
        ? await consumer.adopt(before.map((request) => request.delivery))
        : before.map((request) => request.delivery),
    )
    let kept = 0
    for (const request of before) {
      if (gone.has(request.delivery)) this.forget(request)
      else {
        kept += 1
        if (request.acknowledged) this.#settleAgain(request)
      }
    }
    if (before.length > 0) services.log.info(`Took over ${kept} of ${before.length} messages held before.`)
    if (!broker.capabilities.settleAcrossConnections && reducePrefetch) credit.reduce(state.active)
  }

  #settleAgain(request: Request): void {
    const { settlement } = request
    if (settlement === undefined) return
    request.delivery.settle(settlement).then(
      () => {
        request.confirmed = true
        if (request.phase === 'done') this.#options.onSettledLate(request)
      },
      (error: unknown) => {
        this.#options.services.log.warn(`Task ${request.label} could not be settled after the reconnect.`, {
          ...request.logFields,
          error,
        })
        if (request.phase === 'done') this.#options.onSettledLate(request, error)
      },
    )
  }

  /** Its message is not ours any more. */
  forget(request: Request): void {
    const { unconfirmed, dispatcher, reception, broker } = this.#options
    const { phase, settlement } = request
    if (phase === 'done' && settlement !== undefined) {
      unconfirmed.add(request)
      if (request.afterwards !== undefined) {
        // Whoever has the message now runs it again, and tells of that.
        request.afterwards = undefined
        request.outbox?.failed(leaseLost(request))
      }
      this.#options.onSettledLate(request)
      return
    }
    if (phase === 'done' || phase === 'active') {
      // Without leases the message comes again at once: to us, who are at it already, or to somebody else.
      if (!broker.capabilities.settleAcrossConnections) {
        if (settlement === undefined) unconfirmed.orphan(request)
        else unconfirmed.add(request)
        return
      }
      if (phase === 'done') {
        // Its ending is under way, and reports when it is over.
        request.disowned = 'lease-lost'
        return
      }
      request.disowned ??= 'lease-lost'
      request.ticket?.abort(leaseLost(request))
      return
    }
    reception.drop(request)
    request.disowned = 'lease-lost'
    request.phase = 'done'
    this.#options.onSettledLate(request)
    dispatcher.left(request)
    request.ticket?.withdraw()
  }

  /** Of these deliveries, or of those with these tags. */
  leasesLost(deliveries: readonly (Delivery | string)[]): void {
    const lost = new Set(deliveries)
    const { state, services } = this.#options
    const requests = state
      .unconfirmed()
      .filter(({ delivery }) => lost.has(delivery) || lost.has(delivery.tag))
    if (requests.length > mostLines)
      services.log.warn(`The leases of ${requests.length} tasks are lost: their messages are others' now.`)
    for (const request of requests) {
      if (requests.length <= mostLines)
        services.log.warn(`The lease of task ${request.label} is lost: somebody else has its message now.`)
      this.forget(request)
    }
  }
}

function leaseLost({ label }: Request): CeleryError {
  return new CeleryError('CT_LEASE_LOST', `The message of task ${label} was given to somebody else.`)
}
