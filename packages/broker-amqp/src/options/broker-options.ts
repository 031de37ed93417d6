/** Options of the AMQP broker: kombu's connection and transport options in camelCase, Celery's units (seconds). */
import { ConfigurationError, type ServerDescription } from '@ct/contracts'
import { checkOptions, maskUrl, tlsOptionTable, type OptionTable } from '@ct/contracts/broker-kit'
import { amqpSsl, type AmqpTlsOptions } from './tls.ts'
import { parseAmqpUrls } from './url.ts'

export interface AmqpCredentials {
  readonly username?: string | undefined
  readonly password?: string | undefined
}

export interface AmqpBrokerOptions extends AmqpTlsOptions {
  /** `amqp://user:password@host:5672/vhost`, `amqps://`; several separated by `;` are a failover list. Default `amqp://guest:guest@localhost:5672//`. What the URL says wins over the other options. */
  readonly url?: string
  readonly host?: string
  readonly port?: number
  readonly username?: string
  /** A function is asked at each connect, for tokens that run out (TRANS-27). */
  readonly password?: string | (() => string | Promise<string>)
  readonly virtualHost?: string
  /** TLS; also by the scheme `amqps`. */
  readonly ssl?: boolean | AmqpTlsOptions
  /** `PLAIN` (default), `AMQPLAIN`, or `EXTERNAL`: the client certificate says who we are. */
  readonly loginMethod?: 'PLAIN' | 'AMQPLAIN' | 'EXTERNAL'
  /** Seconds; the smaller of ours and the server's counts, 0 switches ours off. Default 60. */
  readonly heartbeat?: number
  /** Seconds to connect to one server. Default 4. */
  readonly connectTimeout?: number
  /** Order in which the servers of a failover list are tried. Default `round-robin`. */
  readonly failoverStrategy?: 'round-robin' | 'shuffle'
  /** Wait for the broker to confirm each publish. Default true; Celery's own default loses messages silently. */
  readonly confirmPublish?: boolean
  /** Largest frame in bytes, at least 4,096; 0: the server's. The smaller of ours and the server's counts. Default 131,072. */
  readonly frameMax?: number
  /** Most channels of a connection; a worker needs eight or so. Default 0: the server's. */
  readonly channelMax?: number
  /**
   * Largest body in bytes that is published; what is larger is refused with `CT_MESSAGE_TOO_LARGE`, where RabbitMQ would end the channel with all that is on its way.
   * Default 16 MiB, which RabbitMQ 4 takes (`max_message_size`).
   */
  readonly maxMessageSize?: number
  /** Shown in RabbitMQ's management. Default `ct`. */
  readonly connectionName?: string
  /** Further client properties for RabbitMQ's management. */
  readonly clientProperties?: Readonly<Record<string, unknown>>
  /**
   * Let RabbitMQ keep tasks with an ETA, in Celery's exchanges and queues `celery_delayed_0…27` (about 8.5 years at most). Default: as in Celery, when
   * the app has a quorum queue; where these cannot be declared, one warning, and the worker holds them. True: always, or the publish fails.
   * False: never.
   */
  readonly nativeDelayedDelivery?: boolean
  /** Type of the queues `celery_delayed_…`; must be the same in the whole fleet. Default `quorum`, as in Celery. */
  readonly nativeDelayedDeliveryQueueType?: 'quorum' | 'classic'
  /**
   * Seconds of the server's `consumer_timeout`, which it does not tell: who holds a message longer loses the channel. Workers warn of what would,
   * and have RabbitMQ keep tasks whose ETA is farther away than half of it. Default 1,800; 0: the server has none.
   */
  readonly consumerTimeout?: number
  /** Seconds for which the starts of a redelivered message are remembered without a further start (classic queues). Default 86,400. */
  readonly startsExpires?: number
  /** Host of RabbitMQ's management plug-in, which lists bindings (`ct list bindings`). Default: the first server. */
  readonly managerHostname?: string
  /** Default 15672, with `managerSsl` 15671. */
  readonly managerPort?: number
  /** Default: the user of the broker; it needs the tag `management`. */
  readonly managerUserid?: string
  readonly managerPassword?: string
  /** By HTTPS. Default false. */
  readonly managerSsl?: boolean
}

/** Where and as whom the management plug-in is asked. */
export interface ManagementSettings {
  /** Without a path. */
  readonly url: string
  readonly virtualHost: string
  readonly username: string
  readonly password: string | (() => string | Promise<string>)
}

export interface AmqpAddress extends AmqpCredentials {
  readonly host: string
  readonly port: number
  readonly ssl: boolean
  readonly virtualHost: string
}

/** Undefined where it is switched off. */
export interface DelaySettings {
  readonly queueType: 'quorum' | 'classic'
  /** Somebody asked for it; else what cannot be delayed here is published as ever. */
  readonly required: boolean
}

/** Resolved: what `connection/` and `broker/` work with. */
export interface BrokerSettings {
  readonly addresses: readonly AmqpAddress[]
  readonly password: (() => string | Promise<string>) | undefined
  readonly tls: AmqpTlsOptions
  readonly loginMethod: 'PLAIN' | 'AMQPLAIN' | 'EXTERNAL'
  readonly heartbeat: number
  readonly connectTimeoutMs: number
  readonly shuffle: boolean
  readonly confirms: boolean
  readonly frameMax: number
  readonly channelMax: number
  readonly maxMessageSize: number
  readonly clientProperties: Readonly<Record<string, unknown>>
  readonly delay: DelaySettings | undefined
  /** Null: none. */
  readonly maxHoldMs: number | null
  readonly startsExpiresMs: number
  readonly management: ManagementSettings
  readonly description: ServerDescription
}

const table: OptionTable = {
  ...tlsOptionTable,
  url: 'string',
  host: 'string',
  port: 'number',
  username: 'string',
  password: (value) => {
    if (typeof value === 'string' || typeof value === 'function') return value
    throw new TypeError('a text, or a function that returns one')
  },
  virtualHost: 'string',
  ssl: amqpSsl,
  loginMethod: (value) => {
    const name = String(value).toUpperCase()
    if (name === 'PLAIN' || name === 'AMQPLAIN' || name === 'EXTERNAL') return name
    throw new TypeError('PLAIN, AMQPLAIN or EXTERNAL')
  },
  heartbeat: 'number',
  connectTimeout: 'number',
  failoverStrategy: (value) => {
    if (value === 'round-robin' || value === 'shuffle') return value
    throw new TypeError('round-robin or shuffle')
  },
  confirmPublish: 'boolean',
  frameMax: 'number',
  channelMax: 'number',
  maxMessageSize: 'number',
  connectionName: 'string',
  clientProperties: (value) => {
    if (typeof value === 'object' && value !== null && !Array.isArray(value)) return value
    throw new TypeError('an object')
  },
  nativeDelayedDelivery: 'boolean',
  nativeDelayedDeliveryQueueType: (value) => {
    if (value === 'quorum' || value === 'classic') return value
    throw new TypeError('quorum or classic')
  },
  consumerTimeout: 'number',
  startsExpires: 'number',
  managerHostname: 'string',
  managerPort: 'number',
  managerUserid: 'string',
  managerPassword: 'string',
  managerSsl: 'boolean',
  // Of kombu's and py-amqp's, without meaning here: core bounds and repeats calls, and Node owns the socket.
  readTimeout: 'any',
  writeTimeout: 'any',
  socketSettings: 'any',
  maxRetries: 'any',
  intervalStart: 'any',
  intervalStep: 'any',
  intervalMax: 'any',
}

/** Error: `CT_CONFIGURATION`. */
export function brokerSettings(
  given: Readonly<Record<string, unknown>>,
  owner: string = 'amqpBroker',
): BrokerSettings {
  const text = given['url'] ?? undefined
  if (text !== undefined && typeof text !== 'string')
    throw new ConfigurationError(`${owner}: option "url" must be a text`)
  const urls = text === undefined ? undefined : parseAmqpUrls(text)
  const query = Object.assign({}, ...(urls ?? []).map((url) => url.query)) as Record<string, string>
  const options = checkOptions(owner, { ...given, ...query }, table) as AmqpBrokerOptions
  const ssl = options.ssl !== undefined && options.ssl !== false
  const own = typeof options.password === 'string' ? options.password : undefined
  const guest = options.username === undefined && options.password === undefined ? 'guest' : undefined
  const addresses = (urls ?? [undefined]).map((url): AmqpAddress => {
    const secure = ssl || url?.ssl === true
    const port = url === undefined ? options.port : url.port
    return {
      host: url?.host ?? options.host ?? 'localhost',
      port: port === undefined || port === 0 ? (secure ? 5671 : 5672) : port,
      ssl: secure,
      username: url?.username ?? options.username ?? guest,
      password: url?.password ?? own ?? guest,
      virtualHost: url?.virtualHost ?? options.virtualHost ?? '/',
    }
  })
  const first = addresses[0] as AmqpAddress
  const startsExpires = options.startsExpires ?? 86_400
  if (startsExpires <= 0) throw new ConfigurationError(`${owner}: startsExpires must be more than 0 seconds`)
  const consumerTimeout = options.consumerTimeout ?? 1800
  if (!(consumerTimeout >= 0))
    throw new ConfigurationError(`${owner}: consumerTimeout must be 0 seconds (none) or more`)
  const frameMax = options.frameMax ?? 131_072
  // AMQP 0-9-1 §4.2.3 (frame-min-size): servers hang up on less, without a word.
  if (!Number.isSafeInteger(frameMax) || (frameMax !== 0 && frameMax < 4096))
    throw new ConfigurationError(`${owner}: frameMax must be 4096 bytes or more, or 0 (the server's)`)
  const channelMax = options.channelMax ?? 0
  if (!Number.isSafeInteger(channelMax) || channelMax < 0 || channelMax > 65_535)
    throw new ConfigurationError(`${owner}: channelMax must be 0 (the server's) to 65535`)
  const maxMessageSize = options.maxMessageSize ?? 16 * 1024 * 1024
  if (!(maxMessageSize > 0))
    throw new ConfigurationError(`${owner}: maxMessageSize must be more than 0 bytes`)
  return {
    addresses,
    password: typeof options.password === 'function' ? options.password : undefined,
    tls: { ...(typeof options.ssl === 'object' ? options.ssl : {}), ...tlsOf(options) },
    loginMethod: options.loginMethod ?? 'PLAIN',
    heartbeat: Math.floor(options.heartbeat ?? 60),
    connectTimeoutMs: (options.connectTimeout ?? 4) * 1000,
    shuffle: options.failoverStrategy === 'shuffle',
    confirms: options.confirmPublish ?? true,
    frameMax,
    channelMax,
    maxMessageSize,
    clientProperties: {
      product: 'ct',
      connection_name: options.connectionName ?? 'ct',
      ...options.clientProperties,
    },
    delay:
      options.nativeDelayedDelivery === false
        ? undefined
        : {
            queueType: options.nativeDelayedDeliveryQueueType ?? 'quorum',
            required: options.nativeDelayedDelivery === true,
          },
    maxHoldMs: consumerTimeout === 0 ? null : Math.ceil(consumerTimeout * 1000),
    startsExpiresMs: Math.ceil(startsExpires * 1000),
    management: managementOf(options, first),
    description: {
      transport: 'amqp',
      hostname: first.host,
      port: first.port,
      userid: first.username,
      virtualHost: first.virtualHost,
      ssl: first.ssl,
      url: text === undefined ? printed(first) : maskUrl(text),
      ...(addresses.length > 1 ? { alternates: addresses.map(printed) } : {}),
    },
  }
}

function managementOf(options: AmqpBrokerOptions, first: AmqpAddress): ManagementSettings {
  const { managerHostname = first.host, managerSsl = false } = options
  const port = options.managerPort ?? (managerSsl ? 15_671 : 15_672)
  // An IPv6 address stands in brackets.
  const host = managerHostname.includes(':') ? `[${managerHostname}]` : managerHostname
  return {
    url: `${managerSsl ? 'https' : 'http'}://${host}:${port}`,
    virtualHost: first.virtualHost,
    username: options.managerUserid ?? first.username ?? 'guest',
    password:
      options.managerPassword ??
      (typeof options.password === 'function' ? options.password : (first.password ?? 'guest')),
  }
}

function tlsOf(options: AmqpBrokerOptions): AmqpTlsOptions {
  return Object.fromEntries(Object.entries(options).filter(([name]) => Object.hasOwn(tlsOptionTable, name)))
}

function printed({ host, port, ssl, username, virtualHost }: AmqpAddress): string {
  const user = username === undefined ? '' : `${encodeURIComponent(username)}:**@`
  return `${ssl ? 'amqps' : 'amqp'}://${user}${host}:${port}/${virtualHost === '/' ? '/' : encodeURIComponent(virtualHost)}`
}
