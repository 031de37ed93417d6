/**
 * B26 over kombu's keys: exchanges are the sets of their bindings, queues are lists that are there while they hold something. What type an
 * exchange has nobody notes (see `bindings.ts`); who binds without naming one binds as the others there, or directly, as kombu does.
 */
import {
  BrokerError,
  UnsupportedError,
  type BrokerAdministration,
  type CallOptions,
  type DeleteOptions,
  type Delivery,
  type ExchangeDeclaration,
  type ListedBinding,
  type QueueReport,
} from '@ct/contracts'
import { getOne, inOrder } from '@ct/contracts/broker-kit'
import type { Link } from '../connection/link.ts'
import { escapeGlob, type Keys } from '../keys.ts'
import type { Bindings } from './bindings.ts'
import type { RedisBrokerConnection } from './connection.ts'

interface Member extends ListedBinding {
  readonly pattern: string
  /** As it stands in the set. */
  readonly text: string
}

export interface AdministrationParts {
  readonly connection: RedisBrokerConnection
  readonly link: Link
  readonly keys: Keys
  readonly bindings: Bindings
  readonly sep: string
  readonly run: <T>(what: string, options: CallOptions | undefined, call: () => Promise<T>) => Promise<T>
}

const types: readonly string[] = ['direct', 'topic', 'fanout']

export class RedisAdministration implements BrokerAdministration {
  readonly #parts: AdministrationParts

  constructor(parts: AdministrationParts) {
    this.#parts = parts
  }

  bindings(options?: CallOptions): Promise<readonly ListedBinding[]> {
    return this.#parts.run('list bindings', options, async () =>
      inOrder(await this.#members(await this.#exchanges())),
    )
  }

  async declareExchange({ name, type, passive }: ExchangeDeclaration, options?: CallOptions): Promise<void> {
    if (!types.includes(type))
      throw new UnsupportedError(
        `Redis has no exchanges of type ${JSON.stringify(type)}; it has direct, topic and fanout.`,
      )
    const { bindings, run } = this.#parts
    if (
      passive === true &&
      name !== '' &&
      (await run('look for an exchange', options, () => this.#members([name]))).length === 0
    )
      throw new BrokerError(
        `Nothing is bound to exchange ${JSON.stringify(name)}: Redis knows exchanges by their bindings alone.`,
      )
    bindings.noteType(name, type)
  }

  async deleteExchange(exchange: string, options: DeleteOptions = {}): Promise<void> {
    const { link, keys, run } = this.#parts
    await run('delete an exchange', options, async () => {
      const bound = options.ifUnused === true ? await this.#members([exchange]) : []
      if (bound.length > 0)
        throw new BrokerError(`Exchange ${JSON.stringify(exchange)} is in use: ${bound.length} bound to it.`)
      await link.send('del', [keys.binding(exchange), keys.permanentBinding(exchange)])
      await link.send('zrem', [keys.bindingDeadlines, exchange])
    })
  }

  bind(
    queue: string,
    exchange: Pick<ExchangeDeclaration, 'name'> & Partial<Pick<ExchangeDeclaration, 'type'>>,
    routingKey: string,
    options?: CallOptions,
  ): Promise<void> {
    const { bindings, run } = this.#parts
    const { name } = exchange
    return run('bind a queue', options, async () => {
      const type = exchange.type ?? bindings.typeOf(name) ?? (await this.#typeByBindings(name))
      await bindings.declare([
        {
          name: queue,
          durable: true,
          exclusive: false,
          autoDelete: false,
          bindings: [{ exchange: { name, type, durable: true, autoDelete: false }, routingKey }],
        },
      ])
    })
  }

  async report(queue: string, options?: CallOptions): Promise<QueueReport> {
    return { messages: await this.#parts.connection.queueSize(queue, options), consumers: undefined }
  }

  async deleteQueue(queue: string, options: DeleteOptions = {}): Promise<number> {
    const { connection, link, keys, run } = this.#parts
    const messages = await connection.queueSize(queue, options)
    if (options.ifEmpty === true && messages > 0)
      throw new BrokerError(`Queue ${JSON.stringify(queue)} is not empty: ${messages} wait in it.`)
    if (options.ifUnused === true)
      throw new UnsupportedError(
        'Redis does not know who consumes from a queue, so it cannot tell whether one is unused.',
      )
    await run('delete a queue', options, async () => {
      const members = (await this.#members(await this.#exchanges())).filter(
        (member) => member.queue === queue,
      )
      await link.all(
        members.flatMap(({ exchange, text }) => [
          ['srem', keys.binding(exchange), text] as const,
          ['srem', keys.permanentBinding(exchange), text] as const,
        ]),
      )
    })
    await connection.deleteQueue(queue, options)
    return messages
  }

  get(queue: string, options?: CallOptions): Promise<Delivery | undefined> {
    return getOne(this.#parts.connection, queue, options)
  }

  async #typeByBindings(exchange: string): Promise<'topic' | 'direct'> {
    return (await this.#members([exchange])).some(({ pattern }) => pattern !== '') ? 'topic' : 'direct'
  }

  async #exchanges(): Promise<string[]> {
    const { link, keys } = this.#parts
    const prefix = keys.binding('')
    const found = new Set<string>()
    let cursor = '0'
    do {
      const [next, some] = (await link.send('scan', [
        cursor,
        'MATCH',
        `${escapeGlob(prefix)}*`,
        'COUNT',
        1000,
      ])) as [unknown, readonly unknown[]]
      cursor = String(next)
      for (const key of some) found.add(String(key).slice(prefix.length))
    } while (cursor !== '0')
    return [...found]
  }

  async #members(exchanges: readonly string[]): Promise<Member[]> {
    if (exchanges.length === 0) return []
    const { bindings, sep } = this.#parts
    return [...(await bindings.tables(exchanges))].flatMap(([exchange, table]) =>
      table.map((text) => {
        const [routingKey = '', pattern = '', queue = ''] = text.split(sep)
        return { exchange, routingKey, pattern, queue, text }
      }),
    )
  }
}
