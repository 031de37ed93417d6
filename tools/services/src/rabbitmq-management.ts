import { SERVICE_PORTS } from './ports.ts'
import { waitUntil } from './progress.ts'

/**
 * The management API of RabbitMQ: virtual hosts to keep tests apart, and a look at queues.
 * `CT_AMQP_MANAGEMENT_URL` (e.g. `http://guest:guest@localhost:15672`) belongs to `CT_AMQP_URL`.
 */
export class RabbitManagement {
  readonly #base: string
  readonly #authorization: string
  readonly #user: string

  constructor(url?: string) {
    const given = url ?? process.env['CT_AMQP_MANAGEMENT_URL']
    const parsed = new URL(given ?? `http://guest:guest@127.0.0.1:${SERVICE_PORTS.rabbitmqManagement}`)
    this.#user = decodeURIComponent(parsed.username) || 'guest'
    const password = decodeURIComponent(parsed.password) || 'guest'
    this.#authorization = `Basic ${Buffer.from(`${this.#user}:${password}`).toString('base64')}`
    this.#base = `${parsed.protocol}//${parsed.host}/api`
  }

  /** Its address with name and password, as monitors want it: `http://guest:guest@127.0.0.1:15672/api/`. */
  get url(): string {
    const url = new URL(`${this.#base}/`)
    const [user = '', password = ''] = Buffer.from(this.#authorization.slice('Basic '.length), 'base64')
      .toString()
      .split(':')
    url.username = user
    url.password = password
    return url.href
  }

  /** One call; `path` below `/api`, its parts already encoded. `undefined` where there is no such thing (404). */
  async call(method: string, path: string, body?: unknown): Promise<unknown> {
    const response = await fetch(`${this.#base}${path}`, {
      method,
      // No connection is kept: tests count what is left open, and brokers are killed under it.
      headers: {
        authorization: this.#authorization,
        'content-type': 'application/json',
        connection: 'close',
      },
      ...(body !== undefined && { body: JSON.stringify(body) }),
      signal: AbortSignal.timeout(10_000),
    })
    const text = await response.text()
    if (response.status === 404) return undefined
    if (!response.ok) throw new Error(`rabbitmq: ${method} ${path}: ${response.status} ${text}`)
    return text === '' ? null : JSON.parse(text)
  }

  async ready(): Promise<void> {
    await waitUntil('rabbitmq', 'waiting for the management plugin', async () => {
      try {
        return (await this.call('GET', '/overview')) !== undefined
      } catch {
        return false
      }
    })
  }

  async vhosts(): Promise<string[]> {
    const found = (await this.call('GET', '/vhosts?columns=name')) as Array<{ name: string }>
    return found.map(({ name }) => name)
  }

  /** Creates a virtual host and gives our user every right in it. */
  async createVhost(vhost: string): Promise<void> {
    const name = encodeURIComponent(vhost)
    await this.call('PUT', `/vhosts/${name}`, {})
    const all = { configure: '.*', write: '.*', read: '.*' }
    await this.call('PUT', `/permissions/${name}/${encodeURIComponent(this.#user)}`, all)
  }

  /** Deletes a virtual host with all that is in it; its connections are closed by the broker. */
  async deleteVhost(vhost: string): Promise<void> {
    await this.call('DELETE', `/vhosts/${encodeURIComponent(vhost)}`)
  }

  /** Closes every connection into a virtual host, as a broken network would: for reconnect tests. Returns how many. */
  async closeConnections(vhost: string): Promise<number> {
    const found = (await this.call('GET', `/vhosts/${encodeURIComponent(vhost)}/connections`)) as
      | Array<{ name: string }>
      | undefined
    for (const { name } of found ?? []) await this.call('DELETE', `/connections/${encodeURIComponent(name)}`)
    return found?.length ?? 0
  }
}
