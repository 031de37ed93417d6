/**
 * AMQP URLs as kombu reads them (kombu/utils/url.py, kombu/connection.py 5.7): several, separated by `;`, are a failover list; the path is
 * the virtual host, percent-decoded; none, `/` and `//` are the virtual host `/`.
 */
import { ConfigurationError } from '@ct/contracts'
import { camelCase, decodeUrlPart, maskUrl } from '@ct/contracts/broker-kit'

export interface AmqpUrl {
  readonly scheme: string
  readonly ssl: boolean
  readonly host: string
  /** Undefined: the usual one, which depends on TLS. */
  readonly port: number | undefined
  readonly username: string | undefined
  readonly password: string | undefined
  readonly virtualHost: string | undefined
  /** Names camelCased. */
  readonly query: Readonly<Record<string, string>>
}

/** Schemes of the `amqp` adapter; `librabbitmq` is Celery's name for a C client of the same protocol. */
export const amqpSchemes: readonly string[] = ['amqp', 'amqps', 'pyamqp', 'librabbitmq']

const pattern = /^([a-z][a-z0-9+.-]*):\/\/(?:(.*)@)?([^@/?]*)(\/[^?]*)?(?:\?(.*))?$/is

/** Error: `CT_CONFIGURATION`, never with the password in it. */
export function parseAmqpUrls(text: string): readonly AmqpUrl[] {
  const urls = text
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part !== '')
    .map(parseOne)
  if (urls.length === 0)
    throw new ConfigurationError(
      'An AMQP URL is empty; write for instance amqp://guest:guest@localhost:5672//',
    )
  return urls
}

function parseOne(text: string): AmqpUrl {
  const match = pattern.exec(text)
  const scheme = match?.[1]?.toLowerCase() ?? ''
  if (match === null || !amqpSchemes.includes(scheme)) {
    throw new ConfigurationError(
      `${JSON.stringify(maskUrl(text))} is not an AMQP URL; write for instance amqp://user:password@host:5672/vhost (schemes: ${amqpSchemes.join(', ')})`,
    )
  }
  const [, , userinfo, authority = '', path = '', search = ''] = match
  const colon = userinfo?.indexOf(':') ?? -1
  const ssl = scheme === 'amqps'
  const virtualHost = decodeUrlPart(path.replace(/^\//, ''))
  const query: Record<string, string> = {}
  for (const [name, value] of new URLSearchParams(search)) query[camelCase(name)] = value
  return {
    scheme,
    ssl,
    ...parseHost(authority),
    username:
      userinfo === undefined ? undefined : decodeUrlPart(colon < 0 ? userinfo : userinfo.slice(0, colon)),
    password: userinfo === undefined || colon < 0 ? undefined : decodeUrlPart(userinfo.slice(colon + 1)),
    virtualHost: virtualHost === '' ? undefined : virtualHost,
    query,
  }
}

function parseHost(authority: string): { readonly host: string; readonly port: number | undefined } {
  const match = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(authority)
  if (match === null)
    throw new ConfigurationError(`${JSON.stringify(authority)} is not a host and port of an AMQP URL`)
  const host = decodeUrlPart(match[1] ?? '').replace(/^\[|\]$/g, '')
  const port = match[2] === undefined || match[2] === '' ? undefined : Number(match[2])
  if (port !== undefined && (port < 1 || port > 65535))
    throw new ConfigurationError(`${port} is not a port number`)
  return { host: host === '' ? 'localhost' : host, port }
}

/** `rpc://` alone is the broker's server; with a host it is a server like any other. Error: `CT_CONFIGURATION`. */
export function rpcUrl(url: string, brokerUrl: unknown): string {
  if (!/^rpc(:\/*)?$/.test(url)) return url.replace(/^rpc:/, 'amqp:')
  if (typeof brokerUrl === 'string') return brokerUrl
  throw new ConfigurationError(
    'The result backend "rpc://" is the broker’s server, but the broker was not given as a URL; write rpc://user:password@host:5672/vhost or rpcBackend({ url })',
  )
}
