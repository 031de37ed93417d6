/**
 * TLS settings by Python's names (`ssl_cert_reqs`, …; kombu 5.7) or Node's. Files are read at connect, not before.
 *
 * Unlike py-amqp, `amqps://` without further options verifies the server's certificate; `sslCertReqs: 'none'` is py-amqp's behaviour.
 */
import { readFile } from 'node:fs/promises'
import type { ConnectionOptions as NodeTlsOptions } from 'node:tls'
import { ConfigurationError } from '@ct/contracts'
import { checkOptions, type OptionTable } from '@ct/contracts/broker-kit'

export interface AmqpTlsOptions {
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
  readonly tls?: NodeTlsOptions
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

/** Names of `broker_use_ssl` as Python's ssl module has them (celery docs, `broker_use_ssl` for pyamqp). */
const pythonNames: Readonly<Record<string, string>> = {
  caCerts: 'sslCaCerts',
  certfile: 'sslCertfile',
  keyfile: 'sslKeyfile',
  certReqs: 'sslCertReqs',
  checkHostname: 'sslCheckHostname',
  ciphers: 'sslCiphers',
  password: 'sslPassword',
}

/** What `ssl` may be: true, or an object with either family of names (`certReqs`, `sslCertReqs`, `ca`). */
export function sslOption(value: unknown): AmqpTlsOptions | boolean {
  if (typeof value === 'boolean') return value
  if (value === 'true' || value === '1') return true
  if (value === 'false' || value === '0') return false
  if (typeof value !== 'object' || value === null)
    throw new TypeError('true, false or an object of TLS options')
  const ours: Record<string, unknown> = {}
  const node: Record<string, unknown> = {}
  for (const [name, one] of Object.entries(value)) {
    const known = pythonNames[name] ?? name
    if (Object.hasOwn(tlsOptionTable, known)) ours[known] = one
    else if (name === 'serverHostname') node['servername'] = one
    else node[name] = one
  }
  return {
    ...checkOptions('ssl', ours, tlsOptionTable),
    ...(Object.keys(node).length > 0 ? { tls: node as NodeTlsOptions } : {}),
  }
}

/** Reads the files. Error: `CT_CONFIGURATION` naming the file. */
export async function nodeTlsOptions(
  options: AmqpTlsOptions,
  host: string | undefined,
): Promise<NodeTlsOptions> {
  const [ca, cert, key] = await Promise.all([
    options.sslCaData ?? readOptional(options.sslCaCerts, 'sslCaCerts'),
    readOptional(options.sslCertfile, 'sslCertfile'),
    readOptional(options.sslKeyfile, 'sslKeyfile'),
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
    ...options.tls,
  }
}

async function readOptional(path: string | undefined, option: string): Promise<string | undefined> {
  if (path === undefined) return undefined
  try {
    return await readFile(path, 'utf8')
  } catch (cause) {
    throw new ConfigurationError(`The file of option ${option}, ${JSON.stringify(path)}, cannot be read`, {
      cause,
    })
  }
}
