import { execFileSync } from 'node:child_process'
import { join } from 'node:path'

/** For tests: a key and a certificate that it signs itself, by openssl: `<name>.key`, `<name>.crt`. */
export function makeSigner(
  folder: string,
  name: string,
  [subject = '', ...more]: readonly string[],
  key: readonly string[] = ['-newkey', 'rsa:2048'],
): void {
  execFileSync(
    'openssl',
    [
      ...['req', '-x509', '-nodes', '-utf8', '-days', '300', ...key],
      ...[
        '-subj',
        subject,
        '-keyout',
        join(folder, `${name}.key`),
        '-out',
        join(folder, `${name}.crt`),
        ...more,
      ],
    ],
    { stdio: 'ignore' },
  )
}
