import { spawn, type ChildProcess } from 'node:child_process'
import { once } from 'node:events'
import { writeFileSync } from 'node:fs'
import { join } from 'node:path'
import { findProgram, freePort, guardedDirectory, guardProcess, run, waitUntil } from '@ct-tools/services'
import { connect } from 'amqplib'

/** Debian's `/usr/sbin/rabbitmq-server` changes to its own user and folders; the scripts behind it do as they are told. */
const scripts = '/usr/lib/rabbitmq/bin'

/**
 * A RabbitMQ that belongs to one test, for settings that concern the whole server. `rabbit`: Erlang terms of the application `rabbit`, e.g.
 * `{consumer_timeout, 3000}`.
 */
export class OwnRabbit implements AsyncDisposable {
  readonly url: string
  readonly #env: Readonly<Record<string, string>>
  readonly #folder: string
  #children: readonly ChildProcess[] = []

  private constructor(url: string, env: Readonly<Record<string, string>>, folder: string) {
    this.url = url
    this.#env = env
    this.#folder = folder
  }

  static async start(rabbit: readonly string[] = [], plugins: readonly string[] = []): Promise<OwnRabbit> {
    const folder = guardedDirectory('rabbitmq')
    const [port, distribution, epmdPort] = [await freePort(), await freePort(), await freePort()]
    const advanced = join(folder, 'advanced.config')
    const terms = [`{tcp_listeners, [{"127.0.0.1", ${port}}]}`, '{disk_free_limit, 1000000}', ...rabbit]
    const enabled = join(folder, 'enabled_plugins')
    writeFileSync(enabled, `[${plugins.join(', ')}].\n`)
    writeFileSync(advanced, `[{rabbit, [${terms.join(', ')}]}].\n`)
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
    const server = new OwnRabbit(`amqp://guest:guest@127.0.0.1:${port}//`, env, folder)
    try {
      await server.start()
    } catch (error) {
      await server.kill()
      throw error
    }
    return server
  }

  /** Again after {@link kill}; resolves when it takes connections. */
  async start(): Promise<void> {
    const options = { cwd: this.#folder, env: this.#env, detached: true, stdio: 'ignore' } as const
    // Before the server, which would start one as a daemon that nobody stops.
    const epmd = guardProcess(spawn(findProgram('epmd') ?? 'epmd', [], options))
    await once(epmd, 'spawn')
    this.#children = [guardProcess(spawn(join(scripts, 'rabbitmq-server'), [], options)), epmd]
    await waitUntil('rabbitmq', 'waiting for a server of its own', async () => {
      try {
        await (await connect(this.url)).close()
        return true
      } catch {
        return false
      }
    })
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
  async control(...args: readonly string[]): Promise<void> {
    const { code, stderr } = await run(join(scripts, 'rabbitmqctl'), args, { env: this.#env })
    if (code !== 0) throw new Error(`rabbitmqctl ${args.join(' ')}: ${stderr}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.kill()
  }
}
