import { existsSync, rmSync, writeFileSync } from 'node:fs'
import { userInfo } from 'node:os'
import { join } from 'node:path'
import { ServiceError } from './errors.ts'
import { SERVICE_PORTS } from './ports.ts'
import { findProgram, run } from './run.ts'
import type { Service } from './service.ts'
import { tcpExchange } from './tcp.ts'

/** MariaDB with the account `ct` (password `ct`, every right) and the database `ct`. */
export const mariadb: Service = {
  name: 'mariadb',
  variable: 'CT_MARIADB_URL',
  url: `mysql://ct:ct@127.0.0.1:${SERVICE_PORTS.mariadb}/ct`,
  packages: ['mariadb-server'],
  needsRoot: true,
  isInstalled: () => findProgram('mariadbd', 'mysqld') !== undefined,
  async prepare(folder) {
    const data = join(folder, 'data')
    const user = userInfo().username
    if (!existsSync(join(data, 'mysql'))) {
      rmSync(data, { recursive: true, force: true })
      const installer = findProgram('mariadb-install-db', 'mysql_install_db') ?? 'mariadb-install-db'
      const args = ['--no-defaults', `--datadir=${data}`, `--user=${user}`, '--skip-test-db']
      const made = await run(installer, [...args, `--auth-root-socket-user=${user}`])
      if (made.code !== 0) {
        throw new ServiceError(
          'CT_SERVICE_FAILED',
          `mariadb: ${installer} failed:\n${made.stdout}${made.stderr}`,
        )
      }
    }
    // Run at each start. Without an account for 127.0.0.1 the server would not even greet.
    const initFile = join(folder, 'accounts.sql')
    writeFileSync(initFile, ACCOUNTS)
    const args = [
      '--no-defaults',
      `--datadir=${data}`,
      `--port=${SERVICE_PORTS.mariadb}`,
      '--bind-address=127.0.0.1',
    ]
    args.push(
      `--init-file=${initFile}`,
      `--socket=${join(folder, 'mariadb.sock')}`,
      `--pid-file=${join(folder, 'server.pid')}`,
      `--user=${user}`,
    )
    // Losing test data in a power cut is fine; waiting for the disk is not.
    args.push(
      '--innodb-flush-log-at-trx-commit=0',
      '--innodb-buffer-pool-size=64M',
      '--performance-schema=OFF',
    )
    args.push('--character-set-server=utf8mb4', '--skip-name-resolve')
    return [{ label: 'mariadb', command: findProgram('mariadbd', 'mysqld') ?? 'mariadbd', args }]
  },
  async probe(url) {
    const { hostname, port } = new URL(url)
    // The server speaks first: a packet (three bytes of length, one of sequence) with the protocol's version, 10.
    const greeting = await tcpExchange(hostname, Number(port || 3306), '')
    return greeting !== undefined && greeting[4] === 10
  },
}

// One statement a line: that is how the server reads an init file.
const ACCOUNTS = `CREATE DATABASE IF NOT EXISTS ct;
GRANT ALL ON *.* TO 'ct'@'127.0.0.1' IDENTIFIED BY 'ct' WITH GRANT OPTION;
GRANT ALL ON *.* TO 'ct'@'localhost' IDENTIFIED BY 'ct' WITH GRANT OPTION;
`

/** Runs SQL on a server through its command line client; returns the rows, tabs between the columns. */
export async function mariadbQuery(url: string, sql: string): Promise<string> {
  const { hostname, port, username, password } = new URL(url)
  const login = [`--user=${decodeURIComponent(username)}`, `--password=${decodeURIComponent(password)}`]
  const target = ['--protocol=tcp', `--host=${hostname}`, `--port=${port || 3306}`, ...login]
  const client = findProgram('mariadb', 'mysql') ?? 'mariadb'
  const result = await run(client, ['--no-defaults', ...target, '--batch', '--skip-column-names'], {
    input: sql,
  })
  if (result.code !== 0)
    throw new ServiceError('CT_SERVICE_FAILED', `mariadb: ${sql}: ${result.stderr.trim()}`)
  return result.stdout
}
