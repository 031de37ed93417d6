import { existsSync, mkdirSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { SERVICE_PORTS } from './ports.ts'
import { RabbitManagement } from './rabbitmq-management.ts'
import { findProgram } from './run.ts'
import type { Service, ServiceProcess } from './service.ts'
import { tcpExchange } from './tcp.ts'

/** Debian's `/usr/sbin/rabbitmq-server` changes to its own user and folders; the script behind it does as it is told. */
const DEBIAN_SCRIPT = '/usr/lib/rabbitmq/bin/rabbitmq-server'

function serverScript(): string | undefined {
  return existsSync(DEBIAN_SCRIPT) ? DEBIAN_SCRIPT : findProgram('rabbitmq-server')
}

/**
 * RabbitMQ as a node of its own: node name, ports, epmd, cookie, data and plugins of an installed RabbitMQ stay untouched.
 * With the management plugin, which tests use to look at queues.
 */
export const rabbitmq: Service = {
  name: 'rabbitmq',
  variable: 'CT_AMQP_URL',
  url: `amqp://guest:guest@127.0.0.1:${SERVICE_PORTS.rabbitmq}//`,
  packages: ['rabbitmq-server'],
  needsRoot: true,
  labels: ['epmd', 'rabbitmq'],
  isInstalled: () => serverScript() !== undefined,
  async prepare(folder) {
    for (const name of ['mnesia', 'log']) mkdirSync(join(folder, name), { recursive: true })
    const config = join(folder, 'rabbitmq.conf')
    const plugins = join(folder, 'enabled_plugins')
    writeFileSync(config, CONFIGURATION)
    writeFileSync(plugins, '[rabbitmq_management].\n')
    const env = {
      // The Erlang cookie is kept in HOME.
      HOME: folder,
      RABBITMQ_NODENAME: 'ct-services@localhost',
      RABBITMQ_DIST_PORT: String(SERVICE_PORTS.rabbitmqDistribution),
      ERL_EPMD_PORT: String(SERVICE_PORTS.rabbitmqEpmd),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      RABBITMQ_MNESIA_BASE: join(folder, 'mnesia'),
      RABBITMQ_LOG_BASE: join(folder, 'log'),
      RABBITMQ_LOGS: '-',
      RABBITMQ_CONFIG_FILE: config,
      RABBITMQ_ENABLED_PLUGINS_FILE: plugins,
      // Both exist on machines with a RabbitMQ of their own and must not be read.
      RABBITMQ_CONF_ENV_FILE: join(folder, 'no-env.conf'),
      RABBITMQ_ADVANCED_CONFIG_FILE: join(folder, 'no-advanced.config'),
      // Two schedulers that sleep when idle: test machines have better uses for their cores than busy waiting.
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS:
        '+S 2:2 +sbwt none +sbwtdcpu none +sbwtdio none -kernel inet_dist_use_interface {127,0,0,1}',
    }
    const processes: ServiceProcess[] = []
    const epmd = findProgram('epmd')
    // Started here rather than by Erlang, which would leave it behind as a daemon that nobody stops.
    if (epmd) processes.push({ label: 'epmd', command: epmd, args: [], env })
    processes.push({ label: 'rabbitmq', command: serverScript() ?? 'rabbitmq-server', args: [], env })
    return processes
  },
  async probe(url) {
    const { hostname, port } = new URL(url)
    // The protocol header of AMQP 0-9-1; a broker that has booted answers with a Connection.Start frame (type 1, channel 0).
    const answer = await tcpExchange(
      hostname,
      Number(port || 5672),
      Buffer.from('AMQP\x00\x00\x09\x01', 'latin1'),
    )
    return answer !== undefined && answer[0] === 1
  },
  async finish() {
    await new RabbitManagement().ready()
  },
  async wipe() {
    const management = new RabbitManagement()
    for (const vhost of await management.vhosts()) await management.deleteVhost(vhost)
    await management.createVhost('/')
  },
}

const CONFIGURATION = `
listeners.tcp.1 = 127.0.0.1:${SERVICE_PORTS.rabbitmq}
management.tcp.ip = 127.0.0.1
management.tcp.port = ${SERVICE_PORTS.rabbitmqManagement}
log.console = true
log.console.level = warning
log.file = false
disk_free_limit.absolute = 64MB
`
