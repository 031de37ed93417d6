/** `ct migrate` (CLI-30): messages from one broker to another, as they are. */
import { type Command, Option } from 'commander'
import { Queue, type App } from '@ct/client'
import type { BrokerConnection, Delivery, OutgoingMessage, QueueDeclaration } from '@ct/contracts'
import { list, timerSeconds, wholeNumber } from '../option-values.ts'
import type { Session } from '../session.ts'

interface MigrateOptions {
  readonly limit?: number
  readonly timeout?: number
  readonly ackMessages?: boolean
  readonly tasks?: readonly string[]
  readonly queues?: readonly string[]
  readonly forever?: boolean
}

export function addMigrate(program: Command, session: Session): void {
  program
    .command('migrate')
    .description('copy or move waiting messages from one broker to another')
    .argument('<source>', 'URL of the broker that has them')
    .argument('<destination>', 'URL of the broker that is to have them')
    .addOption(new Option('-n, --limit <n>', 'at most so many messages').argParser(wholeNumber))
    .addOption(
      new Option('-t, --timeout <seconds>', 'end after so long without a message (default: 1)').argParser(
        timerSeconds,
      ),
    )
    .option('-a, --ack-messages', 'take them off the source: move instead of copy')
    .addOption(new Option('-T, --tasks <names>', 'only these tasks').argParser(list))
    .addOption(new Option('-Q, --queues <names>', 'only these queues; old:new renames one').argParser(list))
    .option('-F, --forever', 'go on until it is told to stop')
    .action(async (source: string, destination: string, options: MigrateOptions) => {
      const interrupt = session.interruption()
      try {
        await migrate(session, source, destination, options, interrupt.signal)
      } finally {
        interrupt.release()
      }
    })
}

async function migrate(
  session: Session,
  source: string,
  destination: string,
  options: MigrateOptions,
  signal: AbortSignal,
): Promise<void> {
  // Addresses are given: what the environment says of brokers does not count here.
  const appOf = (broker: string): App => session.options.createApp({ name: 'ct', broker, environment: {} })
  await using from = appOf(source)
  await using to = appOf(destination)
  const renamed = new Map<string, string>(
    (options.queues ?? []).map((pair) => {
      const [old = '', now = old] = pair.split(':')
      return [old, now]
    }),
  )
  const known = session.globals.app === undefined ? from : await session.app()
  const names = renamed.size > 0 ? [...renamed.keys()] : [...known.context.queues.consumeFrom.keys()]
  const [reading, writing] = [
    await from.context.producer.connection(),
    await to.context.producer.connection(),
  ]
  const move = new Migration(session, writing, renamed, options)
  await writing.declare(names.map((name) => declarationOf(known, renamed.get(name) ?? name)))
  for (const name of names) move.total += await sizeOf(reading, name)
  const consumer = await reading.openConsumer({
    // Without --ack-messages all of them are held until the end, so that none comes twice; so are those that --tasks leaves where they are.
    credit: options.ackMessages === true && options.tasks === undefined ? 100 : Infinity,
    onDelivery: (delivery) => move.take(delivery),
  })
  try {
    await consumer.subscribe(names.map((name) => ({ queue: declarationOf(known, name) })))
    move.listen(signal)
    await move.ended
    await consumer.stop()
  } finally {
    await consumer.close()
  }
  session.tell(
    `${move.count} ${move.count === 1 ? 'message' : 'messages'} ${options.ackMessages === true ? 'moved' : 'copied'}.`,
  )
}

/** What arrives is published one after the other; the first failure ends it, and what was not published stays where it was. */
class Migration {
  count = 0
  total = 0
  readonly ended: Promise<void>
  readonly #session: Session
  readonly #to: BrokerConnection
  readonly #renamed: ReadonlyMap<string, string>
  readonly #options: MigrateOptions
  readonly #end = Promise.withResolvers<void>()
  #timer: NodeJS.Timeout | undefined
  #queue: Promise<void> = Promise.resolve()
  #over = false

  constructor(
    session: Session,
    to: BrokerConnection,
    renamed: ReadonlyMap<string, string>,
    options: MigrateOptions,
  ) {
    this.#session = session
    this.#to = to
    this.#renamed = renamed
    this.#options = options
    this.ended = this.#end.promise
    // Somebody waits for it in any case, but perhaps not yet.
    this.ended.catch(() => {})
  }

  /** Messages come from now on: it ends when none has come for a while, or with the signal. */
  listen(signal: AbortSignal): void {
    signal.addEventListener('abort', () => this.#finish(), { once: true })
    if (signal.aborted) this.#finish()
    const { forever, timeout = 1 } = this.#options
    if (!this.#over && forever !== true) this.#timer = setTimeout(() => this.#finish(), timeout * 1000)
  }

  take(delivery: Delivery): void {
    this.#queue = this.#queue.then(() => this.#move(delivery)).catch((error: unknown) => this.#finish(error))
  }

  async #move(delivery: Delivery): Promise<void> {
    const { ackMessages, tasks, limit = 0 } = this.#options
    if (this.#over) return
    this.#timer?.refresh()
    const task = taskOf(delivery)
    if (tasks !== undefined && !tasks.includes(task)) return
    await this.#to.publish(this.#republished(delivery))
    // Only now: it is in both for a moment rather than in neither.
    if (ackMessages === true) await delivery.settle({ action: 'ack' })
    this.count++
    this.#session.tell(
      `Migrating task ${this.count}/${this.total === 0 ? '?' : this.total}: ${task}[${String(delivery.headers['id'] ?? '?')}]`,
    )
    if (limit > 0 && this.count >= limit) this.#finish()
  }

  #republished({ body, contentType, contentEncoding, headers, properties, info }: Delivery): OutgoingMessage {
    const name = (old: string): string => this.#renamed.get(old) ?? old
    return {
      body,
      contentType,
      contentEncoding,
      headers,
      properties,
      exchange: name(info.exchange),
      routingKey: name(info.routingKey),
    }
  }

  #finish(error?: unknown): void {
    if (this.#over) return
    this.#over = true
    clearTimeout(this.#timer)
    if (error === undefined) this.#end.resolve()
    else this.#end.reject(error)
  }
}

/** Protocol 2 has the name in the headers, protocol 1 in the body. */
function taskOf({ headers, body }: Delivery): string {
  if (typeof headers['task'] === 'string') return headers['task']
  try {
    const { task } = JSON.parse(Buffer.from(body).toString('utf8')) as { readonly task?: unknown }
    return typeof task === 'string' ? task : '?'
  } catch {
    return '?'
  }
}

function declarationOf(app: App, name: string): QueueDeclaration {
  const { queues } = app.context
  return (queues.find(name) ?? queues.complete(new Queue(name))).declaration
}

async function sizeOf(connection: BrokerConnection, queue: string): Promise<number> {
  try {
    return await connection.queueSize(queue)
  } catch {
    return 0
  }
}
