/** Events as an app has them: `app.events` (celery/app/events.py 5.7). */
import type { Broker, OutgoingMessage, SerializerRegistry } from '@ct/contracts'
import type { PublishOptions } from '../producer/index.ts'
import { EventDispatcher } from './event-dispatcher.ts'
import type { EventDispatcherOptions } from './event-dispatcher.ts'
import type { EventSettings } from './event-message.ts'
import { EventReceiver } from './event-receiver.ts'
import type { EventReceiverOptions } from './event-receiver.ts'
import { checkKnownOptions } from './known-options.ts'
import type { KnownOptions } from './known-options.ts'
import { State } from './state.ts'
import type { StateOptions } from './state.ts'

/** What {@link Events} takes from its app. */
export interface EventsOptions {
  readonly broker: () => Broker
  readonly readBroker: () => Broker
  readonly publish: (message: OutgoingMessage, options: PublishOptions) => Promise<unknown>
  readonly serializers: SerializerRegistry
  readonly clock: EventReceiverOptions['clock']
  readonly settings: () => NonNullable<EventReceiverOptions['settings']> & EventSettings
  /** `gen<pid>@host`. */
  readonly origin: string
  /** Asks workers for a heartbeat. */
  readonly wakeup: () => Promise<unknown>
  readonly now: () => number
  readonly warn: (message: string) => void
}

export type ReceiverOptions = Pick<EventReceiverOptions, 'handlers' | 'routingKey' | 'nodeId'>

export type DispatcherOptions = Pick<
  EventDispatcherOptions,
  'groups' | 'bufferGroups' | 'bufferLimit' | 'offlineLimit' | 'enabled'
> & {
  /** Name that the events are sent under. Default `gen<pid>@<host>`. */
  readonly hostname?: string | undefined
}

const receiverOptions: KnownOptions<ReceiverOptions> = { handlers: 'any', routingKey: 'text', nodeId: 'text' }

const dispatcherOptions: KnownOptions<DispatcherOptions> = {
  groups: 'texts',
  bufferGroups: 'texts',
  bufferLimit: 'count',
  offlineLimit: 'count',
  enabled: 'flag',
  hostname: 'text',
}

export class Events {
  readonly #options: EventsOptions

  constructor(options: EventsOptions) {
    this.#options = options
  }

  /** Hears events; its `capture()` first asks workers for a heartbeat. Close it when done. Errors: `CT_CONFIGURATION`. */
  receiver(options: ReceiverOptions): EventReceiver {
    checkKnownOptions('A receiver of events', options, receiverOptions)
    const { readBroker, serializers, clock, settings, wakeup, now, warn } = this.#options
    return new EventReceiver({
      broker: readBroker,
      serializers,
      clock,
      settings: settings(),
      wakeup,
      now,
      warn,
      ...options,
    })
  }

  /** Sends events of your own, such as `order-shipped`: what stands before the dash is their group. Close it when done. Errors: `CT_CONFIGURATION`. */
  dispatcher(options: DispatcherOptions = {}): EventDispatcher {
    checkKnownOptions('A dispatcher of events', options, dispatcherOptions)
    const { broker, publish, serializers, clock, settings, origin, now, warn } = this.#options
    const { hostname = origin, ...rest } = options
    return new EventDispatcher({
      broker,
      publish,
      serializers,
      clock,
      settings: settings(),
      hostname,
      now,
      warn,
      ...rest,
    })
  }

  /** Puts together what a fleet is doing from its events. Errors: `CT_CONFIGURATION`. */
  state(options: StateOptions = {}): State {
    const { now, warn } = this.#options
    return new State({ now, warn, ...options })
  }
}
