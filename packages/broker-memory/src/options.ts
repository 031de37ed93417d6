/** Options of everything in this package, checked once. */
import { ConfigurationError, type ServerDescription, type TimeProvider } from '@ct/contracts'

/** A hub is chosen by name or by URL (`memory://name`, `cache+memory://name`); both empty: the hub `default`. */
export interface MemoryOptions {
  readonly name?: string
  readonly url?: string
  /** What the hub's delays, expiries and leases go by, for tests. Default: this machine's clock. All of one hub must agree. */
  readonly time?: TimeProvider | undefined
}

export function hubName(what: string, options: MemoryOptions, known: readonly string[] = []): string {
  for (const key of Object.keys(options)) {
    if (key === 'name' || key === 'url' || key === 'time' || known.includes(key)) continue
    throw new ConfigurationError(
      `${what} has no option ${JSON.stringify(key)}; known are ${['name', 'url', 'time', ...known].join(', ')}.`,
      {
        details: { option: key },
      },
    )
  }
  if (options.name !== undefined) return options.name
  const name = /^[a-z+]*:\/\/([^/?#]*)/i.exec(options.url ?? '')?.[1] ?? ''
  return name === '' || name === 'localhost' ? 'default' : decodeURIComponent(name)
}

export function describeHub(transport: string, name: string): ServerDescription {
  return {
    transport,
    hostname: name,
    port: undefined,
    userid: undefined,
    virtualHost: undefined,
    ssl: false,
    url: `${transport}://${encodeURIComponent(name)}`,
  }
}
