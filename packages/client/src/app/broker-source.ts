import { ConfigurationError } from '@ct/contracts'
import { packageForScheme, schemeOf } from '../connection/index.ts'
import type { BrokerSource } from '../connection/index.ts'
import type { SettingName, Settings, SettingsInput } from './settings/index.ts'

/** Where to find the broker: an object beats settings; the URL for this purpose beats `brokerUrl`; at last Celery's old single settings. */
export function brokerSource(
  given: BrokerSource | undefined,
  settings: Settings,
  purpose: 'read' | 'write',
): BrokerSource {
  if (given !== undefined) return given
  const url = (purpose === 'read' ? settings.brokerReadUrl : settings.brokerWriteUrl) ?? settings.brokerUrl
  if (url !== null) return url
  const { brokerTransport, brokerHost, brokerPort, brokerUser, brokerPassword, brokerVhost } = settings
  if (brokerTransport === null && brokerHost === null) {
    throw new ConfigurationError(
      "The app has no broker. Give one: createApp({ broker: 'redis://localhost' }), or set CELERY_BROKER_URL.",
    )
  }
  const user = brokerUser === null ? '' : encodeURIComponent(brokerUser)
  const password = brokerPassword === null ? '' : `:${encodeURIComponent(brokerPassword)}`
  const login = user === '' && password === '' ? '' : `${user}${password}@`
  const port = brokerPort === null ? '' : `:${brokerPort}`
  const host = brokerVhost === null ? '' : `/${encodeURIComponent(brokerVhost)}`
  return `${brokerTransport ?? 'amqp'}://${login}${brokerHost ?? 'localhost'}${port}${host}`
}

/** Settings that an adapter knows as options of its own, by option name. */
type SettingOptions = Readonly<Record<string, SettingName>>

const amqpOptions: SettingOptions = {
  heartbeat: 'brokerHeartbeat',
  loginMethod: 'brokerLoginMethod',
  nativeDelayedDeliveryQueueType: 'brokerNativeDelayedDeliveryQueueType',
}

/** celery/backends/redis.py 5.7; what the URL says wins. */
const redisOptions: SettingOptions = {
  host: 'redisHost',
  port: 'redisPort',
  db: 'redisDb',
  username: 'redisUsername',
  password: 'redisPassword',
  maxConnections: 'redisMaxConnections',
  socketTimeout: 'redisSocketTimeout',
  socketConnectTimeout: 'redisSocketConnectTimeout',
  socketKeepalive: 'redisSocketKeepalive',
  retryOnTimeout: 'redisRetryOnTimeout',
  healthCheckInterval: 'redisBackendHealthCheckInterval',
  credentialProvider: 'redisBackendCredentialProvider',
  clientName: 'redisClientName',
  ssl: 'redisBackendUseSsl',
}

/** What an adapter is told besides the URL. Keys of Python's configuration files are camelCased. */
export function brokerAdapterOptions(
  source: BrokerSource,
  settings: Settings,
  given: SettingsInput,
): Record<string, unknown> {
  // Several URLs stand in for each other only when they are of one kind.
  const first: unknown = Array.isArray(source) ? source[0] : source
  const own =
    typeof first === 'string' && packageForScheme(schemeOf(first)) === '@ct/broker-amqp'
      ? optionsFrom(amqpOptions, given)
      : {}
  return {
    ...own,
    ...camelKeys(settings.brokerTransportOptions ?? {}),
    ...(settings.brokerUseSsl === false ? {} : { ssl: camelValue(settings.brokerUseSsl) }),
  }
}

export function backendAdapterOptions(
  url: string,
  settings: Settings,
  given: SettingsInput,
): Record<string, unknown> {
  const own = packageForScheme(schemeOf(url)) === '@ct/broker-redis' ? optionsFrom(redisOptions, given) : {}
  return { ...own, ...rpcOptions(url, settings, given), ...camelKeys(settings.resultBackendTransportOptions) }
}

/** `rpc://` alone is the broker's own server, reached as the broker is: TLS, heartbeat, login (celery/backends/rpc.py 5.7). */
function rpcOptions(url: string, settings: Settings, given: SettingsInput): Record<string, unknown> {
  if (schemeOf(url) !== 'rpc') return {}
  const { brokerWriteUrl, brokerUrl, resultPersistent, resultExpires } = settings
  const broker: unknown = brokerWriteUrl ?? brokerUrl
  return {
    ...(typeof broker === 'string' && /^rpc(:\/*)?$/.test(url)
      ? { ...brokerAdapterOptions(broker, settings, given), brokerUrl: broker }
      : {}),
    ...(resultPersistent == null ? {} : { resultPersistent }),
    ...(typeof resultExpires === 'number' ? { resultExpires } : {}),
  }
}

/** Those that somebody gave; otherwise the adapter's own defaults hold. */
function optionsFrom(options: SettingOptions, given: SettingsInput): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).flatMap(([option, setting]) =>
      given[setting] === undefined ? [] : [[option, camelValue(given[setting])]],
    ),
  )
}

function camelKeys(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  return Object.fromEntries(
    Object.entries(options).map(([key, value]) => [
      key.replaceAll(/_([a-z0-9])/g, (_, letter: string) => letter.toUpperCase()),
      value,
    ]),
  )
}

function camelValue(value: unknown): unknown {
  return typeof value === 'object' && value !== null && Object.getPrototypeOf(value) === Object.prototype
    ? camelKeys(value as Readonly<Record<string, unknown>>)
    : value
}
