/** TLS settings of servers by Python's names (`ssl_cert_reqs`, …; redis-py and kombu 5.7) or Node's. Files are read at connect, not before. */
import { ConfigurationError } from '../errors.ts'
import { checkOptions, type OptionTable } from './option-table.ts'

/** `Own`: options of `tls.connect`, whose types are Node's. */
export interface TlsOptions<Own extends object = object> {
  /** `required` (default), `optional` or `none`; Python's `CERT_…` names work too. */
  readonly sslCertReqs?: string
  readonly sslCheckHostname?: boolean
  /** File of trusted certificates. */
  readonly sslCaCerts?: string
  /** Trusted certificates as text. */
  readonly sslCaData?: string
  readonly sslCertfile?: string
  readonly sslKeyfile?: string
  readonly sslPassword?: string
  readonly sslMinVersion?: string
  readonly sslCiphers?: string
  /** Node's own, passed to `tls.connect`: `ca`, `cert`, `key`, `servername`, `rejectUnauthorized`, … They win. */
  readonly tls?: Own
}

export const tlsOptionTable: OptionTable = {
  sslCertReqs: (value) => certReqs(value),
  sslCheckHostname: 'boolean',
  sslCaCerts: 'string',
  sslCaData: 'string',
  sslCertfile: 'string',
  sslKeyfile: 'string',
  sslPassword: 'string',
  sslMinVersion: 'string',
  sslCiphers: 'string',
  tls: 'any',
}

function certReqs(value: unknown): string {
  const word = String(value)
    .toLowerCase()
    .replace(/^cert_/, '')
  // Python's ssl constants travel as numbers through some configurations.
  const known = {
    none: 'none',
    optional: 'optional',
    required: 'required',
    '0': 'none',
    '1': 'optional',
    '2': 'required',
  }[word]
  if (known === undefined) throw new TypeError('required, optional or none')
  return known
}

/**
 * What `ssl` may be: true, or an object of these options, of Node's, or of what else the driver of Python calls them (`aliases`: its names → one of
 * either).
 */
export function sslOption(
  value: unknown,
  aliases: Readonly<Record<string, string>> = {},
): TlsOptions | boolean {
  if (typeof value === 'boolean') return value
  if (value === 'true' || value === '1') return true
  if (value === 'false' || value === '0') return false
  if (typeof value !== 'object' || value === null)
    throw new TypeError('true, false or an object of TLS options')
  const ours: Record<string, unknown> = {}
  const node: Record<string, unknown> = {}
  for (const [given, one] of Object.entries(value)) {
    const name = aliases[given] ?? given
    if (Object.hasOwn(tlsOptionTable, name)) ours[name] = one
    else node[name] = one
  }
  return {
    ...checkOptions('ssl', ours, tlsOptionTable),
    ...(Object.keys(node).length > 0 ? { tls: node } : {}),
  }
}

/** Of `tls.connect`. */
export interface ConnectTls {
  readonly servername?: string
  readonly rejectUnauthorized?: boolean
  readonly checkServerIdentity?: () => undefined
  readonly ca?: string
  readonly cert?: string
  readonly key?: string
  readonly passphrase?: string
  readonly minVersion?: 'TLSv1.2'
  readonly ciphers?: string
}

type ReadText = (path: string, encoding: 'utf8') => Promise<string>

/** For `tls.connect`. `readText` reads the files: `readFile` of `node:fs/promises`. Error: `CT_CONFIGURATION` naming the file. */
export async function nodeTlsOptions<Own extends object>(
  options: TlsOptions<Own>,
  host: string | undefined,
  readText: ReadText,
): Promise<ConnectTls & Own> {
  const [ca, cert, key] = await Promise.all([
    options.sslCaData ?? readOptional(options.sslCaCerts, 'sslCaCerts', readText),
    readOptional(options.sslCertfile, 'sslCertfile', readText),
    readOptional(options.sslKeyfile, 'sslKeyfile', readText),
  ])
  return {
    ...(host === undefined || /^[\d.]+$|:/.test(host) ? {} : { servername: host }),
    ...(options.sslCertReqs === 'none' ? { rejectUnauthorized: false } : {}),
    ...(options.sslCheckHostname === false ? { checkServerIdentity: () => undefined } : {}),
    ...(ca === undefined ? {} : { ca }),
    ...(cert === undefined ? {} : { cert }),
    ...(key === undefined ? {} : { key }),
    ...(options.sslPassword === undefined ? {} : { passphrase: options.sslPassword }),
    ...(options.sslMinVersion === undefined ? {} : { minVersion: options.sslMinVersion as 'TLSv1.2' }),
    ...(options.sslCiphers === undefined ? {} : { ciphers: options.sslCiphers }),
    ...(options.tls ?? ({} as Own)),
  }
}

async function readOptional(
  path: string | undefined,
  option: string,
  readText: ReadText,
): Promise<string | undefined> {
  if (path === undefined) return undefined
  try {
    return await readText(path, 'utf8')
  } catch (cause) {
    throw new ConfigurationError(`The file of option ${option}, ${JSON.stringify(path)}, cannot be read`, {
      cause,
    })
  }
}
