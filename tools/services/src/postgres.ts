import { chownSync, existsSync, mkdirSync, readdirSync, rmSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { ServiceError } from './errors.ts'
import { SERVICE_PORTS } from './ports.ts'
import { findProgram, run } from './run.ts'
import type { Service } from './service.ts'
import { tcpExchange } from './tcp.ts'

const DEBIAN = '/usr/lib/postgresql'

/** Debian keeps the server's programs out of PATH, one folder a major version; the newest is taken. */
export function postgresProgram(name: string): string | undefined {
  const versions = existsSync(DEBIAN) ? readdirSync(DEBIAN).toSorted((a, b) => Number(b) - Number(a)) : []
  const paths = versions.map((version) => join(DEBIAN, version, 'bin', name))
  return paths.find((path) => existsSync(path)) ?? findProgram(name)
}

/** PostgreSQL refuses to run as root, so root's runs as the user `postgres` that Debian's package made. */
async function serverUser(): Promise<{ uid: number; gid: number } | undefined> {
  if (process.getuid?.() !== 0) return undefined
  const { code, stdout } = await run('getent', ['passwd', 'postgres'])
  if (code !== 0)
    throw new ServiceError('CT_SERVICE_FAILED', 'postgres: root needs a user named postgres to run it')
  const fields = stdout.trim().split(':')
  return { uid: Number(fields[2]), gid: Number(fields[3]) }
}

/** PostgreSQL with the superuser `ct` (password `ct`) and the database `ct`. */
export const postgres: Service = {
  name: 'postgres',
  variable: 'CT_POSTGRES_URL',
  url: `postgresql://ct:ct@127.0.0.1:${SERVICE_PORTS.postgres}/ct`,
  packages: ['postgresql'],
  needsRoot: true,
  // Root's cache folder is closed to the user that the server runs as.
  ...(process.getuid?.() === 0 && { folder: '/var/cache/ct/services/postgres' }),
  isInstalled: () => postgresProgram('postgres') !== undefined,
  async prepare(folder) {
    const user = await serverUser()
    if (user) chownSync(folder, user.uid, user.gid)
    const data = join(folder, 'data')
    if (!existsSync(join(data, 'PG_VERSION'))) {
      rmSync(data, { recursive: true, force: true })
      mkdirSync(data, { mode: 0o700 })
      const passwordFile = join(folder, 'password')
      writeFileSync(passwordFile, 'ct\n')
      if (user) for (const path of [data, passwordFile]) chownSync(path, user.uid, user.gid)
      const args = [
        '-D',
        data,
        '-U',
        'ct',
        `--pwfile=${passwordFile}`,
        '--auth=scram-sha-256',
        '-E',
        'UTF8',
        '--locale=C',
      ]
      const made = await run(postgresProgram('initdb') ?? 'initdb', args, { cwd: folder, ...user })
      if (made.code !== 0)
        throw new ServiceError('CT_SERVICE_FAILED', `postgres: initdb failed:\n${made.stderr}`)
    }
    const settings = [
      `port=${SERVICE_PORTS.postgres}`,
      'listen_addresses=127.0.0.1',
      `unix_socket_directories=${folder}`,
    ]
    // Losing test data in a power cut is fine; waiting for the disk is not.
    settings.push('fsync=off', 'synchronous_commit=off', 'full_page_writes=off', 'max_connections=200')
    return [
      {
        label: 'postgres',
        command: postgresProgram('postgres') ?? 'postgres',
        args: ['-D', data, ...settings.flatMap((setting) => ['-c', setting])],
        // "Fast": SIGTERM would wait for the last client to leave.
        stopSignal: 'SIGINT',
        ...(user && { user }),
      },
    ]
  },
  async probe(url) {
    const { hostname, port, username } = new URL(url)
    const parameters = Buffer.from(`user\0${decodeURIComponent(username) || 'ct'}\0\0`)
    const header = Buffer.alloc(8)
    header.writeInt32BE(8 + parameters.length)
    header.writeInt32BE(196_608, 4) // protocol 3.0
    const answer = await tcpExchange(hostname, Number(port || 5432), Buffer.concat([header, parameters]))
    // 'R' asks for a password or welcomes; 'E' is also what a server that is still starting says.
    return answer !== undefined && answer[0] === 0x52
  },
  async finish(url) {
    const found = await postgresQuery(url, `SELECT 1 FROM pg_database WHERE datname = 'ct'`)
    if (found.trim() !== '1') await postgresQuery(url, 'CREATE DATABASE ct')
  },
}

/** Runs SQL in the database `postgres` of a server, through psql; returns its output without headings. */
export async function postgresQuery(url: string, sql: string): Promise<string> {
  const target = new URL(url)
  target.pathname = '/postgres'
  const result = await run(postgresProgram('psql') ?? 'psql', [
    '-X',
    '-A',
    '-t',
    '-v',
    'ON_ERROR_STOP=1',
    '-c',
    sql,
    target.href,
  ])
  if (result.code !== 0)
    throw new ServiceError('CT_SERVICE_FAILED', `postgres: ${sql}: ${result.stderr.trim()}`)
  return result.stdout
}
