/**
 * How adapters present themselves. `define…()` stamps kind and contract version and freezes the capabilities; core checks the stamp
 * with {@link assertContract} before it uses an adapter.
 *
 * Same major, and an adapter's minor not above that of the contracts it meets.
 */
import type { Broker, BrokerCapabilities } from './broker.ts'
import { AdapterError } from './errors.ts'
import type { Pool, PoolCapabilities } from './pool.ts'
import type { ResultBackend, ResultBackendCapabilities } from './result-backend.ts'
import type { ScheduleStore, ScheduleStoreCapabilities } from './schedule-store.ts'

/** Version of the contracts in this package, `major.minor`. */
export const contractVersion = '1.0'

type Stamped = 'kind' | 'contractVersion' | typeof Symbol.asyncDispose

function stamp<T extends object>(kind: string, adapter: object & { readonly capabilities: object }): T {
  const capabilities = frozenCopy(adapter.capabilities)
  Object.defineProperties(adapter, {
    kind: { value: kind, enumerable: true },
    contractVersion: { value: contractVersion, enumerable: true },
    capabilities: { value: capabilities, enumerable: true },
    [Symbol.asyncDispose]: {
      value(this: { close(): Promise<void> }): Promise<void> {
        return this.close()
      },
    },
  })
  return adapter as T
}

/** Down to the last one: shared data that one reader could change for all others. */
function frozenCopy(data: object): object {
  const entries: [string, unknown][] = Object.entries(data)
  return Object.freeze(
    Object.fromEntries(
      entries.map(([key, value]) => [
        key,
        typeof value === 'object' && value !== null && !Array.isArray(value) ? frozenCopy(value) : value,
      ]),
    ),
  )
}

/** Presents a broker. Give everything but `kind`, `contractVersion` and `[Symbol.asyncDispose]`. */
export function defineBroker(
  adapter: Omit<Broker, Stamped> & { readonly capabilities: BrokerCapabilities },
): Broker {
  return stamp<Broker>('broker', adapter)
}

export function defineResultBackend(
  adapter: Omit<ResultBackend, Stamped> & { readonly capabilities: ResultBackendCapabilities },
): ResultBackend {
  return stamp<ResultBackend>('result-backend', adapter)
}

export function definePool(adapter: Omit<Pool, Stamped> & { readonly capabilities: PoolCapabilities }): Pool {
  return stamp<Pool>('pool', adapter)
}

export function defineScheduleStore(
  adapter: Omit<ScheduleStore, Stamped> & { readonly capabilities: ScheduleStoreCapabilities },
): ScheduleStore {
  return stamp<ScheduleStore>('schedule-store', adapter)
}

/**
 * What a package puts under the URL schemes it owns: `createApp({ adapters: [redis], broker: 'redis://…' })`, and what `@ct/core`
 * finds through the `ct` field of an installed package's package.json: `"ct": { "adapter": "redis" }` names the
 * export of the package's main entry (docs/adr/0006).
 */
export interface Adapter {
  readonly kind: 'adapter'
  readonly name: string
  readonly packageName: string
  readonly contractVersion: string
  /**
   * Without `://`, whole and exact: `['redis', 'rediss']`. A URL's scheme with a `+` is looked up as it is and then by what stands before the
   * first one: `sqla` also gets `sqla+postgresql://…`, `db+sqlite` only itself, `db` every `db+…`.
   */
  readonly brokerSchemes: readonly string[]
  readonly backendSchemes: readonly string[]
  /** Names of pools, for `-P`: `['threads']`. */
  readonly poolNames?: readonly string[] | undefined
  /** `options` are `broker_transport_options` and the like, already camelCase. */
  broker?(url: string, options: Readonly<Record<string, unknown>>): Broker
  backend?(url: string, options: Readonly<Record<string, unknown>>): ResultBackend
  scheduleStore?(url: string, options: Readonly<Record<string, unknown>>): ScheduleStore
  /** A pool that was not started, by one of `poolNames`. */
  pool?(name: string): Pool
}

export function defineAdapter(adapter: Omit<Adapter, 'kind' | 'contractVersion'>): Adapter {
  return Object.freeze({ ...adapter, kind: 'adapter' as const, contractVersion })
}

/**
 * Throws `AdapterError` (`CT_ADAPTER`) when something else was given, or an adapter does not fit these contracts: then with both packages and
 * the command that mends it.
 */
export function assertContract(given: unknown, kind: string): void {
  const adapter = (typeof given === 'object' && given !== null ? given : {}) as Partial<
    Record<string, unknown>
  >
  const from = typeof adapter['packageName'] === 'string' ? adapter['packageName'] : undefined
  const theirs = adapter['kind']
  if (theirs !== kind) {
    throw new AdapterError(`${article(kind)} is needed here, but ${whatIs(given, from, theirs)}`, {
      details: { kind, adapter: from },
    })
  }
  const version = adapter['contractVersion']
  const [ourMajor = 0, ourMinor = 0] = contractVersion.split('.').map(Number)
  const [major = -1, minor = -1] = String(version).split('.').map(Number)
  if (major === ourMajor && minor <= ourMinor) return
  const name = from ?? 'an adapter'
  const newer = major > ourMajor || (major === ourMajor && minor > ourMinor)
  const mend = newer ? '@ct/contracts@latest @ct/core@latest' : `${name}@latest`
  throw new AdapterError(
    `${name} is made for contracts ${String(version)}, but @ct/contracts here has ${contractVersion}. Run: npm install ${mend}`,
    { details: { adapter: name, adapterContract: version, contract: contractVersion } },
  )
}

function whatIs(given: unknown, from: string | undefined, kind: unknown): string {
  if (given === undefined || given === null)
    return `${String(given)} was given. Look at the import: adapters are named exports.`
  if (typeof given === 'function')
    return `the function ${given.name} was given. Call it: ${given.name}({ … }).`
  if (kind === 'adapter')
    return `${from ?? 'it'} is a whole adapter. Give { adapters: [it] } and a URL, or what one of its functions makes.`
  if (kind !== undefined) return `${from ?? 'it'} is ${article(String(kind)).toLowerCase()}.`
  return 'what was given is not made by a define…() of @ct/contracts. Use the functions of an adapter package.'
}

function article(kind: string): string {
  return `${/^[aeiou]/.test(kind) ? 'An' : 'A'} ${kind}`
}
