import { readFile } from 'node:fs/promises'
import type { ConnectionOptions as NodeTlsOptions } from 'node:tls'
import { nodeTlsOptions, type TlsOptions } from '@ct/contracts/broker-kit'

/** Unlike kombu, `rediss://` without further options verifies the server's certificate; `sslCertReqs: 'none'` is kombu's behaviour. */
export interface RedisTlsOptions extends TlsOptions<NodeTlsOptions> {}

/** For `tls.connect`; reads the files. Error: `CT_CONFIGURATION` naming the file. */
export function readTls(options: RedisTlsOptions, host: string | undefined): Promise<NodeTlsOptions> {
  return nodeTlsOptions(options, host, readFile)
}
