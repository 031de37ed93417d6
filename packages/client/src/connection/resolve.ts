import type { Adapter, Broker, ResultBackend, ScheduleStore } from '@ct/contracts'
import { AdapterError, assertContract, ConfigurationError } from '@ct/contracts'
import type { FailoverStrategy } from './failover-broker.ts'
import { failoverBroker } from './failover-broker.ts'
import {
  alternativesOf,
  maskedUrl,
  packageForScheme,
  schemeCandidates,
  schemeOf,
  suggestScheme,
} from './schemes.ts'

/** Finds an adapter that was not passed in; `@ct/core` looks among the installed packages. Undefined: none. */
export type DiscoverAdapter = (wanted: {
  readonly kind: 'broker' | 'backend' | 'pool'
  /** Most specific first, e.g. `['db+sqlite', 'db']`; the name of a pool. */
  readonly schemes: readonly string[]
}) => Adapter | undefined

export interface ResolveOptions {
  readonly adapters?: readonly Adapter[] | undefined
  readonly discover?: DiscoverAdapter | undefined
  /** `brokerTransportOptions` or `resultBackendTransportOptions` and the like, handed to the adapter. */
  readonly options?: Readonly<Record<string, unknown>> | undefined
  readonly failoverStrategy?: FailoverStrategy | null | undefined
  readonly random?: (() => number) | undefined
}

/** What may stand for a broker: the object an adapter made, a URL, or several of either to fail over between. */
export type BrokerSource = Broker | string | readonly (Broker | string)[]

/** What may stand for a result backend: the object an adapter made, or a URL. */
export type BackendSource = ResultBackend | string

/**
 * The broker for a URL among the adapters given. Throws `CT_ADAPTER` naming the package to install when none owns the scheme, or
 * both packages when the contract versions do not fit. Opens nothing.
 */
export function resolveBroker(source: BrokerSource, options: ResolveOptions = {}): Broker {
  const sources: readonly (Broker | string)[] = Array.isArray(source) ? source : [source as Broker | string]
  const brokers = sources.flatMap((one): Broker[] => {
    if (typeof one !== 'string') {
      assertContract(one, 'broker')
      return [one]
    }
    return alternativesOf(one).map((url) => {
      const adapter = adapterFor('broker', url, options)
      if (adapter.broker === undefined) throw notOffered('broker', url, adapter)
      const broker = adapter.broker(url, options.options ?? {})
      assertContract(broker, 'broker')
      return broker
    })
  })
  return failoverBroker(brokers, options.failoverStrategy ?? 'round-robin', options.random)
}

/** As {@link resolveBroker}. A backend URL is handed over whole: several servers in it are the adapter's business. */
export function resolveBackend(source: BackendSource, options: ResolveOptions = {}): ResultBackend {
  if (typeof source !== 'string') {
    assertContract(source, 'result-backend')
    return source
  }
  const adapter = adapterFor('backend', source, options)
  if (adapter.backend === undefined) throw notOffered('backend', source, adapter)
  const backend = adapter.backend(source, options.options ?? {})
  assertContract(backend, 'result-backend')
  return backend
}

/** The schedule store of a URL: of the adapter that owns its scheme as a broker's. Errors as of {@link resolveBroker}. */
export function resolveScheduleStore(source: string, options: ResolveOptions = {}): ScheduleStore {
  // Sentinels are asked one after the other; other servers stand in for each other, and entries are on the first.
  const url = schemeOf(source).startsWith('sentinel') ? source : (alternativesOf(source)[0] ?? source)
  const adapter = adapterFor('broker', url, options)
  if (adapter.scheduleStore === undefined) {
    throw new AdapterError(
      `${adapter.packageName} keeps no schedules, so ${maskedUrl(url)} cannot be where beat has its entries. Give a file, or the URL of a server that does, such as redis://localhost.`,
      { details: { packageName: adapter.packageName } },
    )
  }
  const store = adapter.scheduleStore(url, options.options ?? {})
  assertContract(store, 'schedule-store')
  return store
}

function adapterFor(kind: 'broker' | 'backend', url: string, options: ResolveOptions): Adapter {
  const scheme = schemeOf(url)
  if (scheme === '')
    throw new ConfigurationError(`The ${kind} URL is empty. Give one such as "redis://localhost".`)
  const candidates = schemeCandidates(scheme)
  const adapters = options.adapters ?? []
  for (const adapter of adapters) assertContract(adapter, 'adapter')
  // The most specific scheme wins, whatever the order of the adapters.
  for (const candidate of candidates) {
    const owner = adapters.find((adapter) => schemesOf(adapter, kind).includes(candidate))
    if (owner !== undefined) return owner
  }
  const discovered = options.discover?.({ kind, schemes: candidates })
  if (discovered !== undefined) {
    assertContract(discovered, 'adapter')
    return discovered
  }
  const known = adapters.flatMap((adapter) => schemesOf(adapter, kind))
  const packageName = packageForScheme(scheme)
  const advice =
    packageName === undefined
      ? url.includes('://')
        ? `No package of ct is known for it.${suggestScheme(scheme, known)}`
        : `Give a URL, such as redis://localhost.${suggestScheme(scheme, known)}`
      : `Run: npm install ${packageName}` +
        (options.discover === undefined ? ` — and pass its adapter: createApp({ adapters: […] }).` : '')
  throw new AdapterError(`No adapter for the ${kind} scheme "${scheme}" of ${maskedUrl(url)}. ${advice}`, {
    details: { scheme, kind, packageName, known },
  })
}

function schemesOf(adapter: Adapter, kind: 'broker' | 'backend'): readonly string[] {
  return kind === 'broker' ? adapter.brokerSchemes : adapter.backendSchemes
}

function notOffered(kind: 'broker' | 'backend', url: string, adapter: Adapter): AdapterError {
  return new AdapterError(
    `${adapter.packageName} lists the scheme "${schemeOf(url)}" but offers no ${kind}. Please report it to the package's authors.`,
  )
}
