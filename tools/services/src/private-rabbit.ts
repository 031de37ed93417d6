import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { existsSync, writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { guardedDirectory, guardProcess } from './guard.ts'
import { freePort } from './ports.ts'
import { waitUntil } from './progress.ts'
import { RabbitManagement } from './rabbitmq-management.ts'
import { findProgram, run } from './run.ts'
import { tcpExchange } from './tcp.ts'

/** Debian's `/usr/sbin/rabbitmq-server` changes to its own user and folders; the scripts behind it do as they are told. */
const debianScripts = '/usr/lib/rabbitmq/bin'

export interface PrivateRabbitOptions {
  /** Erlang terms of the application `rabbit`, e.g. `{consumer_timeout, 3000}`. */
  rabbit?: readonly string[]
  plugins?: readonly string[]
  /** Loads the management plugin too; see {@link PrivateRabbit.management}. */
  management?: boolean
}

/**
 * A RabbitMQ that belongs to one test, for settings that concern the whole server and for outages. Its data is in a temporary folder and
 * survives `kill`; server and folder go when the test process goes.
 *
 * States: running → (`pause`) paused → (`resume`) running; running or paused → (`kill`) stopped → (`start`) running. Port and URL stay the same.
 */
export class PrivateRabbit implements AsyncDisposable {
  /** `amqp://guest:guest@127.0.0.1:…//`. */
  readonly url: string
  readonly port: number
  readonly folder: string
  readonly #env: Readonly<Record<string, string>>
  readonly #managementPort: number | undefined
  #children: readonly ChildProcess[] = []

  private constructor(
    port: number,
    folder: string,
    env: Readonly<Record<string, string>>,
    managementPort: number | undefined,
  ) {
    this.url = `amqp://guest:guest@127.0.0.1:${port}//`
    this.port = port
    this.folder = folder
    this.#env = env
    this.#managementPort = managementPort
  }

  /** Whether this machine has what {@link start} needs. */
  static get isInstalled(): boolean {
    return existsSync(join(debianScripts, 'rabbitmq-server'))
  }

  static async start(options: PrivateRabbitOptions = {}): Promise<PrivateRabbit> {
    const { rabbit = [], plugins = [], management = false } = options
    const folder = guardedDirectory('rabbitmq')
    const [port, distribution, epmdPort] = [await freePort(), await freePort(), await freePort()]
    const managementPort = management ? await freePort() : undefined
    const advanced = join(folder, 'advanced.config')
    const terms = [`{tcp_listeners, [{"127.0.0.1", ${port}}]}`, '{disk_free_limit, 1000000}', ...rabbit]
    const applications = [`{rabbit, [${terms.join(', ')}]}`]
    if (managementPort !== undefined)
      applications.push(
        `{rabbitmq_management, [{tcp_config, [{ip, "127.0.0.1"}, {port, ${managementPort}}]}]}`,
      )
    const enabled = join(folder, 'enabled_plugins')
    const all = management ? [...plugins, 'rabbitmq_management'] : plugins
    writeFileSync(enabled, `[${all.join(', ')}].\n`)
    writeFileSync(advanced, `[${applications.join(', ')}].\n`)
    const env = {
      ...(process.env as Record<string, string>),
      HOME: folder,
      RABBITMQ_NODENAME: `own-${port}@localhost`,
      RABBITMQ_DIST_PORT: String(distribution),
      ERL_EPMD_PORT: String(epmdPort),
      ERL_EPMD_ADDRESS: '127.0.0.1',
      RABBITMQ_MNESIA_BASE: folder,
      RABBITMQ_LOG_BASE: folder,
      RABBITMQ_LOGS: '-',
      RABBITMQ_CONFIG_FILE: join(folder, 'none.conf'),
      RABBITMQ_ADVANCED_CONFIG_FILE: advanced,
      RABBITMQ_CONF_ENV_FILE: join(folder, 'none-env.conf'),
      RABBITMQ_ENABLED_PLUGINS_FILE: enabled,
      RABBITMQ_SERVER_ADDITIONAL_ERL_ARGS: '+S 2:2 +sbwt none -kernel inet_dist_use_interface {127,0,0,1}',
    }
    const server = new PrivateRabbit(port, folder, env, managementPort)
    try {
      await server.start()
    } catch (error) {
      await server.kill()
      throw error
    }
    return server
  }

  /** Its management API; the server must have been started with `management: true`. */
  get management(): RabbitManagement {
    if (this.#managementPort === undefined)
      throw new Error('Start this RabbitMQ with management: true to use its management API.')
    return new RabbitManagement(`http://guest:guest@127.0.0.1:${this.#managementPort}`)
  }

  /** Again after {@link kill}; resolves when it takes connections. */
  async start(): Promise<void> {
    const options = { cwd: this.folder, env: this.#env, detached: true, stdio: 'ignore' } as const
    // Before the server, which would start one as a daemon that nobody stops.
    const epmd = guardProcess(spawn(findProgram('epmd') ?? 'epmd', [], options))
    await once(epmd, 'spawn')
    this.#children = [guardProcess(spawn(join(debianScripts, 'rabbitmq-server'), [], options)), epmd]
    await waitUntil('rabbitmq', 'waiting for a server of its own', async () => {
      // It listens last, and answers the protocol header with Connection.Start (a method frame).
      const header = Buffer.from('AMQP\x00\x00\x09\x01', 'latin1')
      return (await tcpExchange('127.0.0.1', this.port, header))?.[0] === 1
    })
    if (this.#managementPort !== undefined) await this.management.ready()
  }

  /** SIGKILL, as a machine that loses its power. */
  async kill(): Promise<void> {
    for (const child of this.#children) {
      if (child.exitCode !== null || child.signalCode !== null) continue
      const gone = once(child, 'exit')
      this.#signal(child, 'SIGKILL')
      await gone
    }
    this.#children = []
  }

  /** SIGSTOP: connections stand, nobody answers. */
  pause(): void {
    for (const child of this.#children) this.#signal(child, 'SIGSTOP')
  }

  resume(): void {
    for (const child of this.#children) this.#signal(child, 'SIGCONT')
  }

  /** The group: the script, the virtual machine and its port programs. */
  #signal(child: ChildProcess, signal: NodeJS.Signals): void {
    process.kill(-(child.pid as number), signal)
  }

  /** `rabbitmqctl`. */
  async control(...args: readonly string[]): Promise<string> {
    const { code, stdout, stderr } = await run(join(debianScripts, 'rabbitmqctl'), args, { env: this.#env })
    if (code !== 0) throw new Error(`rabbitmqctl ${args.join(' ')}: ${stderr}`)
    return stdout
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}
