import { ConfigurationError } from '@ct/contracts'
import type { BrokerSource } from '../connection/index.ts'
import type { Settings } from './settings/index.ts'

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

/** What an adapter is told besides the URL. Keys of Python's configuration files are camelCased. */
export function brokerAdapterOptions(settings: Settings): Record<string, unknown> {
  return {
    ...camelKeys(settings.brokerTransportOptions ?? {}),
    ...(settings.brokerUseSsl === false ? {} : { ssl: camelValue(settings.brokerUseSsl) }),
  }
}

export function backendAdapterOptions(settings: Settings): Record<string, unknown> {
  return camelKeys(settings.resultBackendTransportOptions)
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
  return typeof value === 'object' && value !== null
    ? camelKeys(value as Readonly<Record<string, unknown>>)
    : value
}
