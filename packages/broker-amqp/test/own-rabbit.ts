import { spawn } from 'node:child_process'
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
  readonly #stop: () => Promise<void>

  private constructor(url: string, env: Readonly<Record<string, string>>, stop: () => Promise<void>) {
    this.url = url
    this.#env = env
    this.#stop = stop
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
    const options = { cwd: folder, env, detached: true, stdio: 'ignore' } as const
    const epmd = guardProcess(spawn(findProgram('epmd') ?? 'epmd', [], options))
    const server = guardProcess(spawn(join(scripts, 'rabbitmq-server'), [], options))
    const url = `amqp://guest:guest@127.0.0.1:${port}//`
    const stop = async (): Promise<void> => {
      for (const child of [server, epmd]) {
        if (child.exitCode !== null || child.signalCode !== null) continue
        const gone = once(child, 'exit')
        // Its group: the script, the virtual machine and its port programs.
        process.kill(-(child.pid as number), 'SIGKILL')
        await gone
      }
    }
    try {
      await waitUntil('rabbitmq', 'waiting for a server of its own', async () => {
        try {
          await (await connect(url)).close()
          return true
        } catch {
          return false
        }
      })
    } catch (error) {
      await stop()
      throw error
    }
    return new OwnRabbit(url, env, stop)
  }

  /** `rabbitmqctl`. */
  async control(...args: readonly string[]): Promise<void> {
    const { code, stderr } = await run(join(scripts, 'rabbitmqctl'), args, { env: this.#env })
    if (code !== 0) throw new Error(`rabbitmqctl ${args.join(' ')}: ${stderr}`)
  }

  async [Symbol.asyncDispose](): Promise<void> {
    await this.#stop()
  }
}
