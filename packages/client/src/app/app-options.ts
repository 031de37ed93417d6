import type { Adapter, Compressor, Serializer, TimeProvider } from '@ct/contracts'
import { assertContract, ConfigurationError, systemTime } from '@ct/contracts'
import type { BackendSource, BrokerSource, DiscoverAdapter } from '../connection/index.ts'
import type { Logger } from './logger.ts'
import type { SettingsInput } from './settings/index.ts'
import type { Environment } from './settings/setting-sources.ts'

/** What an app is made from: its parts, and any setting by its camelCase name. */
export interface AppOptions extends SettingsInput {
  /** Prefix of generated task names (Celery's main name). */
  readonly name?: string | undefined
  /** What an adapter made, or a URL; several to fail over between. Default `brokerUrl`. */
  readonly broker?: BrokerSource | undefined
  /** What an adapter made, or a URL. Default `resultBackend`; neither: results are disabled. */
  readonly backend?: BackendSource | undefined
  /** Adapters that may own the URLs' schemes. */
  readonly adapters?: readonly Adapter[] | undefined
  /** Finds an adapter that is not among `adapters`; `@ct/core` looks among the installed packages. */
  readonly discover?: DiscoverAdapter | undefined
  /** Serializers besides json. */
  readonly serializers?: readonly Serializer[] | undefined
  /** Compressors besides those of Node. */
  readonly compressors?: readonly Compressor[] | undefined
  /** `celery`: Celery's defaults where ct's own differ. Default `ct`. */
  readonly defaults?: 'ct' | 'celery' | undefined
  readonly logger?: Logger | undefined
  /** Milliseconds since 1970; for tests. */
  readonly now?: (() => number) | undefined
  /** The clock, and the timers that wait for an ETA; for tests (`fakeClock` of `@ct/testing`). Default: those of this machine. */
  readonly time?: TimeProvider | undefined
  /** Default `process.env`; four variables are read: `CELERY_BROKER_URL` and the like (APP-27). */
  readonly environment?: Environment | undefined
}

/** What settings do not check. Throws `CT_CONFIGURATION`, `CT_ADAPTER`. */
export function checkAppOptions({ name, broker, backend, adapters, defaults, logger }: AppOptions): void {
  if (defaults !== undefined && defaults !== 'ct' && defaults !== 'celery') {
    throw new ConfigurationError(`defaults must be "ct" or "celery"; it is ${JSON.stringify(defaults)}.`)
  }
  checkParts(broker, backend, adapters)
  if (name !== undefined && name !== null && typeof name !== 'string')
    throw new ConfigurationError(`The name of an app must be text; it is of type ${typeof name}.`)
  if (logger !== undefined) checkLogger(logger)
}

/** At once, rather than when the first critical line is lost: loggers differ in the names of their levels. */
function checkLogger(logger: Logger): void {
  const methods = ['debug', 'info', 'warn', 'error', 'critical', 'child'] as const
  const missing = methods.filter(
    (method) => typeof (logger as Partial<Logger> | null)?.[method] !== 'function',
  )
  if (missing.length === 0) return
  throw new ConfigurationError(
    `The logger has no ${missing.join(', no ')}. It needs ${methods.join(', ')}, each (message, fields?).`,
  )
}

export function timeProvider(time: TimeProvider | undefined, now: (() => number) | undefined): TimeProvider {
  if (time === undefined) return now === undefined ? systemTime : { ...systemTime, now }
  if (now !== undefined) throw new ConfigurationError('Give an app `time` or `now`, not both.')
  if (typeof time.now === 'function' && typeof time.schedule === 'function') return time
  throw new ConfigurationError('The `time` of an app must have `now` and `schedule`, as `fakeClock()` has.')
}

/** At once, rather than where the first task is sent. */
function checkParts(
  broker: BrokerSource | undefined,
  backend: BackendSource | undefined,
  adapters: readonly Adapter[] | undefined,
): void {
  const brokers: readonly unknown[] = broker === undefined ? [] : Array.isArray(broker) ? broker : [broker]
  for (const one of brokers) if (typeof one !== 'string') assertContract(one, 'broker')
  if (backend !== undefined && typeof backend !== 'string') assertContract(backend, 'result-backend')
  if (adapters !== undefined && !Array.isArray(adapters))
    throw new ConfigurationError('adapters must be a list, such as [redis].')
  for (const adapter of adapters ?? []) assertContract(adapter, 'adapter')
}

/** npm only warns of an old Node, and what fails there later names no reason. What is asked for is there in every supported one. */
export function assertRuntime(): void {
  if (typeof Promise.withResolvers === 'function') return
  throw new ConfigurationError(`ct needs Node 22.18 or newer; this is ${process.versions.node}.`)
}
