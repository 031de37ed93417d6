import { SERVICE_PORTS } from './ports.ts'
import { findProgram } from './run.ts'
import type { Service } from './service.ts'
import { tcpExchange } from './tcp.ts'

/** memcached in the URL form of Celery's cache backend: `cache+memcached://host:port/`. */
export const memcached: Service = {
  name: 'memcached',
  variable: 'CT_MEMCACHED_URL',
  url: `cache+memcached://127.0.0.1:${SERVICE_PORTS.memcached}/`,
  packages: ['memcached'],
  needsRoot: true,
  isInstalled: () => findProgram('memcached') !== undefined,
  async prepare() {
    const args = ['-l', '127.0.0.1', '-p', String(SERVICE_PORTS.memcached), '-U', '0', '-m', '64', '-t', '2']
    // As root it insists on being told a user, even when that is root.
    if (process.getuid?.() === 0) args.push('-u', 'root')
    return [{ label: 'memcached', command: findProgram('memcached') ?? 'memcached', args }]
  },
  async probe(url) {
    const [host, port] = address(url)
    return (await tcpExchange(host, port, 'version\r\n'))?.toString().startsWith('VERSION') ?? false
  },
  async wipe(url) {
    const [host, port] = address(url)
    await tcpExchange(host, port, 'flush_all\r\n')
  },
}

function address(url: string): [host: string, port: number] {
  const { hostname, port } = new URL(url.replace(/^cache\+/, ''))
  return [hostname || '127.0.0.1', Number(port || 11_211)]
}
