/** Wraps any broker so that it can be cut, put to sleep, or made to fail by seed: the same contract, on bad days. */
import {
  BrokerUnavailableError,
  defineBroker,
  type Broker,
  type BrokerConnection,
  type ConnectOptions,
} from '@ct/contracts'
import { ChaosConnection } from './chaos-connection.ts'
import { ChaosControls, type ChaosOptions } from './chaos-controls.ts'

/** A broker with handles for its misfortune. */
export interface ChaosBroker extends Broker {
  readonly chaos: ChaosControls
  /** All open connections are lost, as when a line breaks. Messages held over them come back as the broker inside does that. */
  cut(reason?: string): void
}

/**
 * @example
 * const broker = chaosBroker(memoryBroker(), { seed: 42, faults: { publish: 0.05, settle: 0.02 } })
 * broker.cut()          // every connection is lost; core makes new ones
 * broker.chaos.sleep()  // nothing answers until broker.chaos.wake()
 */
export function chaosBroker(inner: Broker, options: ChaosOptions): ChaosBroker {
  const chaos = new ChaosControls(options)
  const connections = new Set<ChaosConnection>()
  let closed: Promise<void> | undefined
  const closing = Promise.withResolvers<void>()

  async function connect({ signal, onNotice }: ConnectOptions): Promise<BrokerConnection> {
    const fault = chaos.draw('connect')
    if (chaos.asleep) {
      const aborted = Promise.withResolvers<void>()
      signal?.addEventListener('abort', () => aborted.resolve(), { once: true })
      await chaos.awake(Promise.race([aborted.promise, closing.promise]))
    }
    if (fault !== undefined)
      throw new BrokerUnavailableError('Connecting failed on purpose.', { details: { chaos: true } })
    const connection: ChaosConnection = new ChaosConnection(
      await inner.connect({
        ...(signal === undefined ? undefined : { signal }),
        onNotice: (notice) => {
          if (connection.lost === undefined) onNotice(notice)
        },
      }),
      chaos,
      (error) => onNotice({ kind: 'connection-lost', error }),
      () => connections.delete(connection),
    )
    connections.add(connection)
    return connection
  }

  const broker = defineBroker({
    name: inner.name,
    packageName: inner.packageName,
    capabilities: inner.capabilities,
    describe: () => inner.describe(),
    connect,
    settlesWith: (backend) => inner.settlesWith(backend),
    close() {
      closing.resolve()
      closed ??= Promise.all([...connections].map((connection) => connection.close())).then(() =>
        inner.close(),
      )
      return closed
    },
  })
  return Object.assign(broker, {
    chaos,
    cut(reason: string = 'cut on purpose') {
      for (const connection of [...connections]) connection.cut(reason)
    },
  })
}
