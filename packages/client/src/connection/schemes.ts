import { didYouMean } from '@ct/contracts'

/** Packages that own the URL schemes of Celery, so that an unknown scheme can be answered with what to install. */
const packagesByScheme: Readonly<Record<string, string>> = {
  redis: '@ct/broker-redis',
  rediss: '@ct/broker-redis',
  socket: '@ct/broker-redis',
  'redis+socket': '@ct/broker-redis',
  valkey: '@ct/broker-redis',
  valkeys: '@ct/broker-redis',
  unix: '@ct/broker-redis',
  sentinel: '@ct/broker-redis',
  sentinels: '@ct/broker-redis',
  amqp: '@ct/broker-amqp',
  amqps: '@ct/broker-amqp',
  pyamqp: '@ct/broker-amqp',
  librabbitmq: '@ct/broker-amqp',
  rpc: '@ct/broker-amqp',
  sqs: '@ct/broker-sqs',
  gcpubsub: '@ct/broker-pubsub',
  sqla: '@ct/broker-sql',
  sqlalchemy: '@ct/broker-sql',
  memory: '@ct/broker-memory',
  db: '@ct/backend-sql',
  database: '@ct/backend-sql',
  cache: '@ct/backend-memcached',
  memcache: '@ct/backend-memcached',
  memcached: '@ct/backend-memcached',
  'cache+memory': '@ct/broker-memory',
}

/** Several URLs of these schemes joined by `;` name one system, not alternatives. */
const schemesOfWholeLists: ReadonlySet<string> = new Set(['sentinel'])

/** Lower-case scheme of a URL, `db+sqlite` included; a bare word such as `rpc` is its own scheme. */
export function schemeOf(url: string): string {
  const end = url.indexOf('://')
  return (end === -1 ? (url.split(':', 1)[0] ?? '') : url.slice(0, end)).toLowerCase()
}

/** The scheme itself, then what stands before the `+`, as Celery looks backends and transports up. */
export function schemeCandidates(scheme: string): readonly string[] {
  const plus = scheme.indexOf('+')
  return plus === -1 ? [scheme] : [scheme, scheme.slice(0, plus)]
}

export function packageForScheme(scheme: string): string | undefined {
  for (const candidate of schemeCandidates(scheme)) {
    const found = packagesByScheme[candidate]
    if (found !== undefined) return found
  }
  return undefined
}

export function suggestScheme(scheme: string, others: Iterable<string>): string {
  return didYouMean(scheme, new Set([...others, ...Object.keys(packagesByScheme)]))
}

/** Alternatives of a broker URL: a list, or one text with `;` between them (kombu/connection.py 5.7). */
export function alternativesOf(url: string | readonly string[]): readonly string[] {
  if (typeof url !== 'string') return url.flatMap(alternativesOf)
  const parts = url
    .split(';')
    .map((part) => part.trim())
    .filter((part) => part !== '')
  if (parts.length > 1 && schemesOfWholeLists.has(schemeOf(parts[0]!))) return [url]
  return parts
}

/** A URL as people may see it, whatever is wrong with it. */
export function maskedUrl(url: string): string {
  return url.replaceAll(/(:\/\/[^:@/;]*:)[^@;]*@/g, '$1**@')
}
