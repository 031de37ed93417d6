/**
 * Redis URLs as kombu and Celery read them (kombu/utils/url.py, kombu/transport/redis.py, celery/backends/redis.py 5.7). Read by
 * hand: `new URL` knows neither lists (`sentinel://a:1;sentinel://b:2/0`) nor passwords with odd characters.
 */
import { ConfigurationError } from '@ct/contracts'
import { camelCase, decodeUrlPart, maskUrl } from '@ct/contracts/broker-kit'

export type UrlKind = 'tcp' | 'socket' | 'sentinel'

export interface RedisUrl {
  readonly kind: UrlKind
  /** Scheme as given, for messages. */
  readonly scheme: string
  readonly ssl: boolean
  /** One for a plain server; all sentinels or cluster seeds of a list. */
  readonly hosts: readonly { readonly host: string; readonly port: number }[]
  readonly path: string | undefined
  readonly db: number | undefined
  readonly username: string | undefined
  readonly password: string | undefined
  /** The query, names camelCased. */
  readonly query: Readonly<Record<string, string>>
}

const schemes: Readonly<Record<string, { readonly kind: UrlKind; readonly ssl: boolean }>> = {
  redis: { kind: 'tcp', ssl: false },
  rediss: { kind: 'tcp', ssl: true },
  valkey: { kind: 'tcp', ssl: false },
  valkeys: { kind: 'tcp', ssl: true },
  'redis+socket': { kind: 'socket', ssl: false },
  socket: { kind: 'socket', ssl: false },
  unix: { kind: 'socket', ssl: false },
  sentinel: { kind: 'sentinel', ssl: false },
  sentinels: { kind: 'sentinel', ssl: true },
}

/** Schemes of the `redis` adapter. */
export const redisSchemes: readonly string[] = Object.keys(schemes)

const pattern = /^([a-z][a-z0-9+.-]*):\/\/(?:(.*)@)?([^@/?]*)(\/[^?]*)?(?:\?(.*))?$/is

/** Error: `CT_CONFIGURATION`, never with the password in it. */
export function parseRedisUrl(text: string): RedisUrl {
  const parts = text.split(';').filter((part) => part.trim() !== '')
  const parsed = parts.map((part, index) => parseOne(part.trim(), index === 0 ? undefined : parts[0]))
  const first = parsed[0]
  if (first === undefined)
    throw new ConfigurationError('A Redis URL is empty; write for instance redis://localhost:6379/0')
  // Database, user and password come from the first; later parts only add hosts. A query or path may stand on the last.
  const db = parsed.map((url) => url.db).find((value) => value !== undefined)
  return {
    ...first,
    db,
    hosts: parsed.flatMap((url) => url.hosts),
    query: Object.assign({}, ...parsed.map((url) => url.query)) as Record<string, string>,
  }
}

function parseOne(text: string, first: string | undefined): RedisUrl {
  const full =
    first === undefined || text.includes('://') ? text : `${first.slice(0, first.indexOf('://'))}://${text}`
  const match = pattern.exec(full)
  const scheme = match?.[1]?.toLowerCase() ?? ''
  const known = Object.hasOwn(schemes, scheme) ? schemes[scheme] : undefined
  if (match === null || known === undefined) {
    throw new ConfigurationError(
      `${JSON.stringify(maskUrl(full))} is not a Redis URL; write for instance redis://user:password@host:6379/0 (schemes: ${redisSchemes.join(', ')})`,
    )
  }
  const [, , userinfo, authority = '', path = '', search] = match
  const query = parseQuery(search ?? '')
  const { username, password } = parseUser(userinfo)
  const common = { scheme, ssl: known.ssl, kind: known.kind, username, password }
  if (known.kind === 'socket') {
    const { virtualHost, db = virtualHost, ...rest } = query
    return { ...common, hosts: [], path: decodeUrlPart(authority + path), db: parseDb(db), query: rest }
  }
  const { db: queryDb, virtualHost: _unused, ...rest } = query
  return {
    ...common,
    // `redis://` leaves host and port to the options.
    hosts:
      authority === '' && known.kind === 'tcp'
        ? []
        : [parseHost(authority, known.kind === 'sentinel' ? 26379 : 6379)],
    path: undefined,
    db: parseDb(queryDb ?? decodeUrlPart(path.replace(/^\/+/, ''))),
    query: rest,
  }
}

function parseUser(userinfo: string | undefined): {
  username: string | undefined
  password: string | undefined
} {
  if (userinfo === undefined) return { username: undefined, password: undefined }
  const colon = userinfo.indexOf(':')
  const username = decodeUrlPart(colon < 0 ? userinfo : userinfo.slice(0, colon))
  const password = colon < 0 ? undefined : decodeUrlPart(userinfo.slice(colon + 1))
  return {
    username: username === '' ? undefined : username,
    password: password === '' ? undefined : password,
  }
}

function parseHost(authority: string, defaultPort: number): { host: string; port: number } {
  const match = /^(\[[^\]]*\]|[^:]*)(?::(\d*))?$/.exec(authority)
  if (match === null)
    throw new ConfigurationError(`${JSON.stringify(authority)} is not a host and port of a Redis URL`)
  const host = decodeUrlPart(match[1] ?? '').replace(/^\[|\]$/g, '')
  const port = match[2] === undefined || match[2] === '' ? defaultPort : Number(match[2])
  if (port < 1 || port > 65535) throw new ConfigurationError(`${port} is not a port number`)
  return { host: host === '' ? 'localhost' : host, port }
}

/** Kombu: the path of the URL must be an integer; empty means 0. */
export function parseDb(value: unknown): number | undefined {
  if (value === undefined || value === null || value === '') return undefined
  const text = String(value).replace(/^\/+/, '')
  if (text === '') return undefined
  if (/^\d+$/.test(text)) return Number(text)
  throw new ConfigurationError(
    `The Redis database must be a number between 0 and the server's limit, not ${JSON.stringify(text)}`,
  )
}

function parseQuery(search: string): Record<string, string> {
  const query: Record<string, string> = {}
  for (const [name, value] of new URLSearchParams(search)) query[camelCase(name)] = value
  return query
}
