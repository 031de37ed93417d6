import { readFile } from 'node:fs/promises'
import type { ConnectionOptions as NodeTlsOptions } from 'node:tls'
import { nodeTlsOptions, sslOption, type TlsOptions } from '@ct/contracts/broker-kit'

/** Unlike py-amqp, `amqps://` without further options verifies the server's certificate; `sslCertReqs: 'none'` is py-amqp's behaviour. */
export interface AmqpTlsOptions extends TlsOptions<NodeTlsOptions> {}

/** Names of `broker_use_ssl` as Python's ssl module has them (celery docs, `broker_use_ssl` for pyamqp), and what they are here or for Node. */
const pythonNames: Readonly<Record<string, string>> = {
  caCerts: 'sslCaCerts',
  certfile: 'sslCertfile',
  keyfile: 'sslKeyfile',
  certReqs: 'sslCertReqs',
  checkHostname: 'sslCheckHostname',
  ciphers: 'sslCiphers',
  password: 'sslPassword',
  serverHostname: 'servername',
}

/** What `ssl` may be: true, or an object with either family of names (`certReqs`, `sslCertReqs`, `ca`). */
export function amqpSsl(value: unknown): AmqpTlsOptions | boolean {
  return sslOption(value, pythonNames)
}

/** For `tls.connect`; reads the files. Error: `CT_CONFIGURATION` naming the file. */
export function readTls(options: AmqpTlsOptions, host: string | undefined): Promise<NodeTlsOptions> {
  return nodeTlsOptions(options, host, readFile)
}
