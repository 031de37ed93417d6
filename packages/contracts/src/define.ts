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
  const capabilities = Object.freeze({ ...adapter.capabilities })
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
  /** Without `://`, e.g. `['redis', 'rediss']`. */
  readonly brokerSchemes: readonly string[]
  readonly backendSchemes: readonly string[]
  /** `options` are `broker_transport_options` and the like, already camelCase. */
  broker?(url: string, options: Readonly<Record<string, unknown>>): Broker
  backend?(url: string, options: Readonly<Record<string, unknown>>): ResultBackend
  scheduleStore?(url: string, options: Readonly<Record<string, unknown>>): ScheduleStore
}

export function defineAdapter(adapter: Omit<Adapter, 'kind' | 'contractVersion'>): Adapter {
  return Object.freeze({ ...adapter, kind: 'adapter' as const, contractVersion })
}

/** Throws `AdapterError` naming both packages and the command that mends it when an adapter does not fit these contracts. */
export function assertContract(
  adapter: { readonly kind?: unknown; readonly contractVersion?: unknown; readonly packageName?: unknown },
  kind: string,
): void {
  const from = typeof adapter.packageName === 'string' ? adapter.packageName : 'an adapter'
  if (adapter.kind !== kind) {
    throw new AdapterError(
      `${from} is ${adapter.kind === undefined ? 'not made by a define…() of @ct/contracts' : `a ${String(adapter.kind)}`}, but a ${kind} is needed here.`,
    )
  }
  const [ourMajor = 0, ourMinor = 0] = contractVersion.split('.').map(Number)
  const [major = -1, minor = -1] = String(adapter.contractVersion).split('.').map(Number)
  if (major === ourMajor && minor <= ourMinor) return
  const mend = major > ourMajor || (major === ourMajor && minor > ourMinor) ? '@ct/contracts @ct/core' : from
  throw new AdapterError(
    `${from} is made for contracts ${String(adapter.contractVersion)}, but @ct/contracts here has ${contractVersion}. Run: npm install ${mend}@latest`,
    { details: { adapter: from, adapterContract: adapter.contractVersion, contract: contractVersion } },
  )
}
