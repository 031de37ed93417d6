/** Where a Redis server is and how to get in: what broker, result backend and schedule store have in common. */
import { ConfigurationError, type ServerDescription } from '@ct/contracts'
import { checkOptions, maskUrl, sslOption, tlsOptionTable, type OptionTable } from '@ct/contracts/broker-kit'
import type { RedisTlsOptions } from './tls.ts'
import { parseDb, parseRedisUrl, type UrlKind } from './url.ts'

export interface RedisCredentials {
  readonly username?: string | undefined
  readonly password?: string | undefined
}

export interface RedisServerOptions extends RedisTlsOptions {
  /** `redis://user:password@host:6379/0`, `rediss://`, `redis+socket:///path?virtual_host=0`, `sentinel://a;sentinel://b`. Default `redis://localhost:6379/0`. What the URL says wins over the other options. */
  readonly url?: string
  readonly host?: string
  readonly port?: number
  /** Unix socket. */
  readonly path?: string
  readonly db?: number | string
  readonly username?: string
  readonly password?: string
  /** Asked at each connect; wins over user and password. */
  readonly credentialProvider?: () => RedisCredentials | Promise<RedisCredentials>
  /** TLS; also by the scheme `rediss`. */
  readonly ssl?: boolean | RedisTlsOptions
  /** Seconds until a command without an answer counts as a lost connection. Default 20. */
  readonly socketTimeout?: number
  /** Seconds to connect. Default 5. */
  readonly socketConnectTimeout?: number
  readonly socketKeepalive?: boolean
  /** Seconds between PINGs on a quiet connection; 0 switches them off. Default 25. */
  readonly healthCheckInterval?: number
  readonly clientName?: string
  /** Sentinel: name of the master; required there. */
  readonly masterName?: string
  /** Sentinel: least number of other sentinels one must know to be believed. Default 0. */
  readonly minOtherSentinels?: number
  /** Sentinel: how to get into the sentinels themselves. */
  readonly sentinelKwargs?: RedisCredentials & {
    readonly ssl?: boolean | RedisTlsOptions
    readonly socketTimeout?: number
  }
  /** Redis Cluster: hosts are seeds, all keys go to the one slot of the prefix's `{hash tag}`. */
  readonly cluster?: boolean
}

/** Resolved: what `connection/` works with. */
export interface RedisServer {
  readonly kind: UrlKind | 'cluster'
  readonly hosts: readonly { readonly host: string; readonly port: number }[]
  readonly path: string | undefined
  readonly db: number
  readonly credentials: RedisCredentials
  readonly credentialProvider: (() => RedisCredentials | Promise<RedisCredentials>) | undefined
  /** Undefined: no TLS. */
  readonly tls: RedisTlsOptions | undefined
  readonly socketTimeoutMs: number
  readonly connectTimeoutMs: number
  readonly keepAlive: boolean
  readonly healthCheckMs: number
  readonly clientName: string | undefined
  readonly masterName: string | undefined
  readonly minOtherSentinels: number
  readonly sentinel: RedisCredentials & {
    readonly tls: RedisTlsOptions | undefined
    readonly timeoutMs: number
  }
  readonly description: ServerDescription
}

export const serverOptionTable: OptionTable = {
  ...tlsOptionTable,
  url: 'string',
  host: 'string',
  port: 'number',
  path: 'string',
  db: (value) => parseDb(value),
  virtualHost: (value) => parseDb(value),
  username: 'string',
  password: 'string',
  credentialProvider: (value) => {
    if (typeof value !== 'function') throw new TypeError('a function that returns { username, password }')
    return value
  },
  ssl: (value) => sslOption(value),
  socketTimeout: 'number',
  socketConnectTimeout: 'number',
  socketKeepalive: 'boolean',
  healthCheckInterval: 'number',
  clientName: 'string',
  masterName: 'string',
  minOtherSentinels: 'number',
  sentinelKwargs: 'any',
  cluster: 'boolean',
  // Known to redis-py, without meaning here: one connection per role, RESP2, no retries inside the adapter.
  maxConnections: 'number',
  retryOnTimeout: 'boolean',
  socketKeepaliveOptions: 'any',
  protocol: 'any',
}

/**
 * Splits off the query of the URL, so that transport options in it are seen by the caller's table too; the URL wins (BACK-30).
 * Error: `CT_CONFIGURATION`.
 */
export function withUrlQuery(options: Readonly<Record<string, unknown>>): Record<string, unknown> {
  const url = options['url']
  if (url === undefined || url === null) return { ...options }
  if (typeof url !== 'string') throw new ConfigurationError('Option "url" must be a text')
  return { ...options, ...parseRedisUrl(url).query }
}

/** `checked` has been through {@link checkOptions} with a table that includes {@link serverOptionTable}. */
export function resolveServer(owner: string, checked: Readonly<Record<string, unknown>>): RedisServer {
  const options = checked as Readonly<Omit<RedisServerOptions, 'db'> & { db?: number; virtualHost?: number }>
  const url = options.url === undefined ? undefined : parseRedisUrl(options.url)
  const ssl = url?.ssl === true || (options.ssl !== undefined && options.ssl !== false)
  const tls = ssl ? { ...(typeof options.ssl === 'object' ? options.ssl : {}), ...tlsOf(checked) } : undefined
  const path = url?.kind === 'socket' ? url.path : url === undefined ? options.path : undefined
  const hosts = url?.hosts.length
    ? url.hosts
    : path === undefined
      ? [{ host: options.host ?? 'localhost', port: options.port ?? 6379 }]
      : []
  const kind =
    url?.kind === 'sentinel'
      ? 'sentinel'
      : options.cluster === true
        ? 'cluster'
        : path === undefined
          ? 'tcp'
          : 'socket'
  const db = url?.db ?? options.db ?? options.virtualHost ?? 0
  const username = url?.username ?? options.username
  const password = url?.password ?? options.password
  if (kind === 'sentinel' && options.masterName === undefined) {
    throw new ConfigurationError(
      `${owner}: Sentinel needs the option "masterName" (transport option master_name)`,
    )
  }
  if (kind === 'tcp' && hosts.length > 1) {
    throw new ConfigurationError(
      `${owner}: a list of hosts needs sentinel:// URLs or the option cluster: true`,
    )
  }
  if (kind === 'cluster' && db !== 0)
    throw new ConfigurationError(`${owner}: Redis Cluster has database 0 only, not ${db}`)
  const kwargs = sentinelKwargs(owner, options.sentinelKwargs)
  return {
    kind,
    hosts,
    path,
    db,
    credentials: { username, password },
    credentialProvider: options.credentialProvider,
    tls,
    socketTimeoutMs: (options.socketTimeout ?? 20) * 1000,
    connectTimeoutMs: (options.socketConnectTimeout ?? 5) * 1000,
    keepAlive: options.socketKeepalive ?? true,
    healthCheckMs: (options.healthCheckInterval ?? 25) * 1000,
    clientName: options.clientName,
    masterName: options.masterName,
    minOtherSentinels: options.minOtherSentinels ?? 0,
    sentinel: kwargs,
    description: {
      transport: kind === 'sentinel' ? 'sentinel' : ssl ? 'rediss' : 'redis',
      hostname: path ?? hosts[0]?.host,
      port: path === undefined ? hosts[0]?.port : undefined,
      userid: username,
      virtualHost: String(db),
      ssl,
      url:
        options.url === undefined
          ? plainUrl(ssl, path, hosts[0], db, username, password)
          : maskUrl(options.url),
    },
  }
}

function tlsOf(checked: Readonly<Record<string, unknown>>): RedisTlsOptions {
  return Object.fromEntries(
    Object.keys(tlsOptionTable)
      .filter((name) => name in checked)
      .map((name) => [name, checked[name]]),
  )
}

function sentinelKwargs(owner: string, given: unknown): RedisServer['sentinel'] {
  const checked = checkOptions(`${owner}: sentinelKwargs`, (given ?? {}) as Record<string, unknown>, {
    username: 'string',
    password: 'string',
    ssl: (value) => sslOption(value),
    socketTimeout: 'number',
    socketConnectTimeout: 'number',
  }) as { username?: string; password?: string; ssl?: boolean | RedisTlsOptions; socketTimeout?: number }
  const { ssl } = checked
  return {
    username: checked.username,
    password: checked.password,
    tls: ssl === undefined || ssl === false ? undefined : ssl === true ? {} : ssl,
    timeoutMs: (checked.socketTimeout ?? 2) * 1000,
  }
}

function plainUrl(
  ssl: boolean,
  path: string | undefined,
  host: { host: string; port: number } | undefined,
  db: number,
  username: string | undefined,
  password: string | undefined,
): string {
  const user =
    username === undefined && password === undefined
      ? ''
      : `${username ?? ''}${password === undefined ? '' : ':**'}@`
  if (path !== undefined) return `redis+socket://${user}${path}?virtual_host=${db}`
  return `${ssl ? 'rediss' : 'redis'}://${user}${host?.host ?? 'localhost'}:${host?.port ?? 6379}/${db}`
}
