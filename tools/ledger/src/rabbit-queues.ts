import { waitUntil, type PrivateRabbit } from '@ct-tools/services'
import { connect } from 'amqplib'

/** Queues that may be there at the end, beside those of the campaign: each with an expiry, or gone with its consumer a moment later. */
const documented = [/^ct\.starts\./, /\.pidbox$/, /^celeryev\./]

/** What lies in the queues of a RabbitMQ, and what an operator does to them. */
export class RabbitQueues {
  readonly #rabbit: PrivateRabbit

  constructor(rabbit: PrivateRabbit) {
    this.#rabbit = rabbit
  }

  /** Ready messages of these queues, one line for each queue that has some. (Unacknowledged ones show when their consumers are gone.) */
  async open(queues: readonly string[]): Promise<string[]> {
    const names = new Set(await this.#names())
    const connection = await connect(this.#rabbit.url)
    try {
      const channel = await connection.createChannel()
      const open: string[] = []
      for (const queue of queues.filter((name) => names.has(name))) {
        const { messageCount } = await channel.checkQueue(queue)
        if (messageCount > 0) open.push(`${messageCount} in ${queue}`)
      }
      return open
    } finally {
      await connection.close()
    }
  }

  async stray(queues: readonly string[]): Promise<string[]> {
    const known = new Set(queues.flatMap((name) => [name, `${name}.parked`]))
    const names = await this.#names()
    return names
      .filter((name) => !known.has(name) && !documented.some((pattern) => pattern.test(name)))
      .map((name) => `queue ${name}`)
  }

  /**
   * Of ct: they name themselves so. Resolves when the broker has none of them any more: it answers as soon as it has asked for the end of one, and what a
   * client does until the connection is gone is done by this fault.
   */
  async closeConnections(): Promise<void> {
    const { management } = this.#rabbit
    const paths = await this.#connections()
    for (const path of paths) await management.call('DELETE', path)
    for (const path of paths)
      await waitUntil(
        'rabbitmq',
        `waiting for the end of ${decodeURIComponent(path)}`,
        async () => (await management.call('GET', `${path}?columns=name`)) === undefined,
      )
  }

  async swap(queue: string): Promise<() => Promise<void>> {
    const connection = await connect(this.#rabbit.url)
    connection.on('error', () => {})
    const channel = await connection.createChannel()
    await channel.deleteQueue(queue)
    // A worker may have made it again already, and is then in the right.
    channel.on('error', () => {})
    await channel.assertQueue(queue, { maxPriority: 3 }).catch(() => undefined)
    await connection.close().catch(() => undefined)
    return async () => {
      const again = await connect(this.#rabbit.url)
      const other = await again.createChannel()
      await other.deleteQueue(queue)
      await again.close()
    }
  }

  /** Paths of the connections of ct. */
  async #connections(): Promise<string[]> {
    const found = (await this.#rabbit.management.call(
      'GET',
      '/connections?columns=name,user_provided_name',
    )) as readonly { readonly name?: string; readonly user_provided_name?: string }[] | undefined
    return (found ?? []).flatMap(({ name, user_provided_name: given }) =>
      name !== undefined && given?.startsWith('ct') === true
        ? [`/connections/${encodeURIComponent(name)}`]
        : [],
    )
  }

  async #names(): Promise<string[]> {
    const found = (await this.#rabbit.management.call('GET', '/queues?columns=name')) as
      | readonly { readonly name: string }[]
      | undefined
    return (found ?? []).map(({ name }) => name)
  }
}
