import type { Broker, Notice } from '@ct/contracts'
import type { TraceServices } from '../trace/index.ts'

export interface BrokerNoticesOptions {
  readonly broker: Pick<Broker, 'describe'>
  readonly log: TraceServices['log']
  /** The broker ended the subscription to this queue. */
  readonly onCancelled: (queue: string) => void
  /** A message was not even an envelope. */
  readonly onMalformed: () => void
  /** Messages with these tags are somebody else's now. */
  readonly onLeasesLost: (tags: readonly string[]) => void
}

/** What the broker says besides deliveries: told in the log, and to whom it concerns. */
export class BrokerNotices {
  readonly #options: BrokerNoticesOptions

  constructor(options: BrokerNoticesOptions) {
    this.#options = options
  }

  take(notice: Notice): void {
    const { log } = this.#options
    switch (notice.kind) {
      case 'connection-lost':
        return
      case 'connection-blocked':
        log.warn(`The broker blocks publishing: ${notice.reason}`)
        return
      case 'connection-unblocked':
        log.info('The broker takes messages again.')
        return
      case 'consumer-cancelled':
        log.warn(`The broker ended the subscription to ${notice.queue}: ${notice.reason} Subscribing again.`)
        this.#options.onCancelled(notice.queue)
        return
      case 'restored':
        log.info(`${notice.count} messages whose lease had run out were put back.`)
        return
      case 'malformed':
        this.#options.onMalformed()
        log.error(
          `Received a message from ${notice.queue} that is not even an envelope: ${notice.reason}. ` +
            (notice.parkedIn === undefined ? 'It is discarded.' : `It is parked in ${notice.parkedIn}.`),
          { queue: notice.queue, reason: 'malformed', detail: notice.reason, excerpt: notice.excerpt },
        )
        return
      case 'lease-lost':
        this.#options.onLeasesLost(notice.tags)
        return
      case 'warning':
        log.warn(notice.message)
        return
      default:
        notice satisfies never
    }
  }

  /** `retryInMs`: undefined when it is not tried again. */
  unreachable(error: Error, attempt: number, retryInMs: number | undefined): void {
    const { broker, log } = this.#options
    const again =
      retryInMs === undefined
        ? ''
        : ` Trying again in ${(retryInMs / 1000).toFixed(1)} s (attempt ${attempt}).`
    const why = /[.!?]$/.test(error.message) ? error.message : `${error.message}.`
    log.error(`Cannot connect to ${broker.describe().url}: ${why}${again}`)
  }
}
