/** Makes a full `ResultBackend` of a {@link KeyValueStore}. */
import { aborted, raceSignal } from '../broker-kit/index.ts'
import { CompressorRegistry, decompressResult } from '../compression/index.ts'
import { defineResultBackend } from '../define.ts'
import { BackendUnavailableError, ClosedError, isCeleryError } from '../errors.ts'
import type { ConnectOptions, ServerDescription } from '../lifecycle.ts'
import type { ResultBackend, ResultBackendCapabilities, ResultBackendConnection } from '../result-backend.ts'
import { documentIsSuccess } from './document-success.ts'
import { KeyValueConnection } from './key-value-connection.ts'
import type { KeyValueEvents, KeyValueStore } from './key-value-store.ts'

export interface KeyValueBackendOptions {
  readonly name: string
  readonly packageName: string
  readonly capabilities: ResultBackendCapabilities
  readonly description: ServerDescription
  /** Called once per connection. See K1. */
  readonly openStore: (events: KeyValueEvents) => Promise<KeyValueStore>
  /** Put before every key (`global_keyprefix`). Default: nothing. */
  readonly keyPrefix?: string
  /** Pauses between two looks where the store cannot tell of changes. Default 50 ms, growing to 500. */
  readonly pollMs?: { readonly first: number; readonly longest: number }
  /** Needed where the store has no `setUnlessSuccess`. Default: {@link documentIsSuccess}, which knows the formats of Celery. */
  readonly isSuccess?: (document: Uint8Array) => boolean
}

export function defineKeyValueBackend(options: KeyValueBackendOptions): ResultBackend {
  const connections = new Set<ResultBackendConnection>()
  const connecting = new Set<Promise<unknown>>()
  const closing = new AbortController()
  const compressors = new CompressorRegistry()

  async function connect({ signal, onNotice }: ConnectOptions): Promise<ResultBackendConnection> {
    if (closing.signal.aborted) throw new ClosedError(`The result backend ${options.name} is closed.`)
    if (signal?.aborted === true) throw aborted(`Connecting to ${options.name}`, signal)
    const made: { connection?: KeyValueConnection } = {}
    let lostEarly: Error | undefined
    const onLost = (error: Error): void => {
      lostEarly = error
      made.connection?.lose(error)
    }
    const stop = signal === undefined ? closing.signal : AbortSignal.any([signal, closing.signal])
    const opening = options.openStore({ signal: stop, onNotice, onLost })
    let store: KeyValueStore
    try {
      store = await raceSignal(`Connecting to ${options.name}`, opening, stop)
    } catch (error) {
      // A store that opens after all is not wanted any more.
      void opening.then((late) => late.close()).catch(() => undefined)
      if (stop.reason instanceof ClosedError) throw stop.reason
      if (isCeleryError(error)) throw error
      const message = error instanceof Error ? error.message : String(error)
      throw new BackendUnavailableError(`Cannot connect to ${options.description.url}: ${message}`, {
        cause: error,
      })
    }
    const connection: KeyValueConnection = new KeyValueConnection({
      name: options.name,
      store,
      capabilities: backend.capabilities,
      keyPrefix: options.keyPrefix ?? '',
      pollMs: options.pollMs ?? { first: 50, longest: 500 },
      isSuccess:
        options.isSuccess ??
        ((document) =>
          documentIsSuccess(document, (packed) => decompressResult(packed, compressors, 64 * 1024 * 1024))),
      onNotice,
      onClosed: () => connections.delete(connection),
    })
    made.connection = connection
    connections.add(connection)
    if (lostEarly !== undefined) connection.lose(lostEarly)
    return connection
  }

  const backend = defineResultBackend({
    name: options.name,
    packageName: options.packageName,
    capabilities: options.capabilities,
    describe: () => options.description,
    connect(connectOptions: ConnectOptions): Promise<ResultBackendConnection> {
      const attempt = connect(connectOptions)
      connecting.add(attempt)
      attempt.then(
        () => connecting.delete(attempt),
        () => connecting.delete(attempt),
      )
      return attempt
    },
    async close(): Promise<void> {
      closing.abort(new ClosedError(`The result backend ${options.name} was closed.`))
      await Promise.allSettled(connecting)
      await Promise.all([...connections].map((connection) => connection.close()))
    },
  })
  return backend
}
