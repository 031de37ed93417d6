/** Makes a full `Broker` of a {@link VirtualStore}. */
import type { Broker, BrokerCapabilities, BrokerConnection } from '../broker.ts'
import { defineBroker } from '../define.ts'
import { BrokerUnavailableError, ClosedError, isCeleryError } from '../errors.ts'
import type { ConnectOptions, ServerDescription } from '../lifecycle.ts'
import type { ResultBackend } from '../result-backend.ts'
import { LocalBindings } from './bindings.ts'
import { aborted, raceSignal } from './call-guard.ts'
import { VirtualConnection } from './virtual-connection.ts'
import type { StoreEvents, VirtualStore } from './virtual-store.ts'

export interface VirtualBrokerOptions<Handle> {
  readonly name: string
  readonly packageName: string
  readonly capabilities: BrokerCapabilities
  readonly description: ServerDescription
  /** Called once per connection. See V1. */
  readonly openStore: (events: StoreEvents) => Promise<VirtualStore<Handle>>
  /** `one-queue`: `take` is called for one queue at a time, for several of them at once (SQS). Default `many-queues`. */
  readonly takeFrom?: 'many-queues' | 'one-queue'
  /** Most messages one `take` may ask for (SQS: 10). Default 1,000. */
  readonly maxTake?: number
  /** Most messages one `put` may be given, of whatever queues (SQS: 10). Default: no limit. */
  readonly maxPut?: number
  /** Most bytes of payloads in one `put` (SQS: 262,144); one payload alone may be larger. Default: no limit. */
  readonly maxPutBytes?: number
  /** Most settlements one `settle` may be given (SQS: 10). Default: no limit. */
  readonly maxSettle?: number
  /** Pause after an empty `take` where the store cannot wait. Default 1,000, as in kombu. */
  readonly pollIntervalMs?: number
  /** Gets what no queue is bound for (kombu's `deadletter_queue`). Default: such messages are dropped. */
  readonly deadletterQueue?: string | undefined
  /** B25. Default: never. A broker that says yes gets `results` in its settlements. */
  readonly settlesWith?: (backend: ResultBackend) => boolean
}

export function defineVirtualBroker<Handle>(options: VirtualBrokerOptions<Handle>): Broker {
  const connections = new Set<BrokerConnection>()
  const connecting = new Set<Promise<unknown>>()
  const closing = new AbortController()
  const origin = {}
  const localBindings = new LocalBindings()

  async function connect({ signal, onNotice }: ConnectOptions): Promise<BrokerConnection> {
    if (closing.signal.aborted) throw new ClosedError(`The broker ${options.name} is closed.`)
    if (signal?.aborted === true) throw aborted(`Connecting to ${options.name}`, signal)
    const made: { connection?: VirtualConnection<Handle> } = {}
    let lostEarly: Error | undefined
    const onLost = (error: Error): void => {
      lostEarly = error
      made.connection?.lose(error)
    }
    const stop = signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal])
    const opening = options.openStore({ signal: stop, onNotice, onLost })
    let store: VirtualStore<Handle>
    try {
      store = await raceSignal(`Connecting to ${options.name}`, opening, stop)
    } catch (error) {
      // A store that opens after all is not wanted any more.
      void opening.then((late) => late.close()).catch(() => undefined)
      if (stop.reason instanceof ClosedError) throw stop.reason
      if (isCeleryError(error)) throw error
      const message = error instanceof Error ? error.message : String(error)
      throw new BrokerUnavailableError(`Cannot connect to ${options.description.url}: ${message}`, {
        cause: error,
      })
    }
    const connection: VirtualConnection<Handle> = new VirtualConnection<Handle>({
      origin,
      name: options.name,
      store,
      capabilities: broker.capabilities,
      bindings: store.bindings ?? localBindings,
      takeFrom: options.takeFrom ?? 'many-queues',
      maxTake: options.maxTake ?? 1_000,
      maxPut: options.maxPut ?? Infinity,
      maxPutBytes: options.maxPutBytes ?? Infinity,
      maxSettle: options.maxSettle ?? Infinity,
      pollIntervalMs: options.pollIntervalMs ?? 1_000,
      deadletterQueue: options.deadletterQueue,
      onNotice,
      onClosed: () => connections.delete(connection),
    })
    made.connection = connection
    connections.add(connection)
    if (lostEarly !== undefined) connection.lose(lostEarly)
    return connection
  }

  const broker = defineBroker({
    name: options.name,
    packageName: options.packageName,
    capabilities: options.capabilities,
    describe: () => options.description,
    connect(connectOptions: ConnectOptions): Promise<BrokerConnection> {
      const attempt = connect(connectOptions)
      connecting.add(attempt)
      attempt.then(
        () => connecting.delete(attempt),
        () => connecting.delete(attempt),
      )
      return attempt
    },
    settlesWith: (backend: ResultBackend) => options.settlesWith?.(backend) ?? false,
    async close(): Promise<void> {
      closing.abort(new ClosedError(`The broker ${options.name} was closed.`))
      await Promise.allSettled(connecting)
      await Promise.all([...connections].map((connection) => connection.close()))
    },
  })
  return broker
}
