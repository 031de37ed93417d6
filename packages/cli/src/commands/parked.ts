import { type Command, Option } from 'commander'
import { decodeUtf8, isCeleryError, type BrokerConnection, type ParkedMessage } from '@ct/contracts'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import { list, wholeNumber } from '../option-values.ts'
import { jsonText } from '../output/json-text.ts'
import { formatTable } from '../output/table.ts'
import type { Session } from '../session.ts'

interface ParkedOptions {
  readonly queues?: readonly string[]
  readonly json?: boolean
  readonly limit?: number
  readonly all?: boolean
  readonly force?: boolean
}

interface Found {
  readonly queue: string
  readonly message: ParkedMessage
}

/** `ct parked`: messages that no worker could work off (architecture: "Poison"). */
export function addParked(program: Command, session: Session): void {
  const parked = program
    .command('parked')
    .description('messages set aside because no worker could work them off')
  const queues = new Option('-Q, --queues <names>', 'of these queues (default: all of the app)').argParser(
    list,
  )
  const json = new Option('-j, --json', 'print JSON')

  parked
    .command('list')
    .description('what is parked')
    .addOption(queues)
    .addOption(new Option('--limit <n>', 'at most so many of a queue').argParser(wholeNumber).default(50))
    .addOption(json)
    .action(async (options: ParkedOptions) => {
      await showList(session, options)
    })
  parked
    .command('show')
    .description('one message with its history, headers and body')
    .argument('<id>', 'id of the parked message or of its task')
    .addOption(queues)
    .addOption(json)
    .action(async (id: string, options: ParkedOptions) => {
      const connection = await connect(session)
      const found = await find(connection, await queuesOf(session, options), [id])
      for (const one of found) session.print(options.json === true ? jsonText(asData(one)) : asText(one))
    })
  parked
    .command('retry')
    .description('put messages back into their queue, their count at zero')
    .argument('[ids...]', 'ids of parked messages or of their tasks')
    .option('--all', 'every parked message of the queues')
    .addOption(queues)
    .action(async (ids: readonly string[], options: ParkedOptions) => {
      const done = await move(session, 'retry', ids, options)
      session.print(`${done} put back.`)
    })
  parked
    .command('drop')
    .description('delete parked messages; there is no way back')
    .argument('[ids...]', 'ids of parked messages or of their tasks')
    .option('--all', 'every parked message of the queues')
    .option('-f, --force', 'do not ask')
    .addOption(queues)
    .action(async (ids: readonly string[], options: ParkedOptions) => {
      const done = await move(session, 'drop', ids, options)
      session.print(`${done} deleted.`)
    })
}

async function connect(session: Session): Promise<BrokerConnection> {
  return await (await session.appWithBroker()).context.producer.connection()
}

async function queuesOf(session: Session, options: ParkedOptions): Promise<readonly string[]> {
  return options.queues ?? [...(await session.appWithBroker()).context.queues.consumeFrom.keys()]
}

async function showList(session: Session, options: ParkedOptions): Promise<void> {
  const connection = await connect(session)
  const queues = await queuesOf(session, options)
  const counts = await connection.parked.count(queues)
  const found: Found[] = []
  for (const [queue, count] of counts) {
    if (count === 0) continue
    const messages = await connection.parked.list(queue, { limit: options.limit ?? 50 })
    found.push(...messages.map((message) => ({ queue, message })))
  }
  if (options.json === true) {
    session.print(jsonText(found.map(asData)))
    return
  }
  const total = [...counts.values()].reduce((sum, count) => sum + count, 0)
  if (total === 0) {
    session.print(`Nothing is parked in ${queues.join(', ')}.`)
    return
  }
  session.print(
    formatTable(
      ['queue', 'id', 'task', 'reason', 'starts', 'parked at'],
      found.map(({ queue, message: { id, taskName, history } }) => [
        queue,
        id,
        taskName ?? '?',
        history.reason,
        history.starts,
        history.parkedAt,
      ]),
      session.style,
    ),
  )
  session.tell(
    `\n${found.length < total ? `${found.length} of ${total}` : total} parked. Next: ct parked show <id>, ct parked retry <id>, ct parked drop <id>`,
  )
}

/** Throws `CommandFailure` for ids that are not there: a typing mistake must not look like success. */
async function find(
  connection: BrokerConnection,
  queues: readonly string[],
  ids: readonly string[],
): Promise<Found[]> {
  const wanted = new Set(ids)
  const found: Found[] = []
  for (const queue of queues) {
    const page = 500
    for (let offset = 0; ; offset += page) {
      const messages = await connection.parked.list(queue, { limit: page, offset })
      for (const message of messages) {
        const match = [message.id, message.taskId].find(
          (id) => id !== undefined && (wanted.has(id) || ids.includes(id)),
        )
        if (match === undefined) continue
        wanted.delete(match)
        found.push({ queue, message })
      }
      if (messages.length < page) break
    }
  }
  if (wanted.size > 0) {
    throw new CommandFailure(
      `Not parked in ${queues.join(', ')}: ${[...wanted].join(', ')}. "ct parked list" shows what is; other queues are named with -Q.`,
    )
  }
  return found
}

async function move(
  session: Session,
  action: 'retry' | 'drop',
  ids: readonly string[],
  options: ParkedOptions,
): Promise<number> {
  if (ids.length === 0 && options.all !== true) {
    throw new CommandFailure(`Which? Give ids, or --all for every parked message.`, exitCodes.usage)
  }
  const connection = await connect(session)
  const queues = await queuesOf(session, options)
  const byQueue = new Map<string, string[]>()
  if (options.all === true) {
    for (const queue of queues) byQueue.set(queue, await allIds(connection, queue, action))
  } else {
    for (const { queue, message } of await find(connection, queues, ids)) {
      if (action === 'retry' && !message.retryable) {
        throw new CommandFailure(
          `${message.id} is not even a message: it can be shown and dropped, not retried.`,
        )
      }
      byQueue.set(queue, [...(byQueue.get(queue) ?? []), message.id])
    }
  }
  const count = [...byQueue.values()].reduce((sum, some) => sum + some.length, 0)
  if (action === 'drop' && count > 0 && options.force !== true) await confirmDrop(session, count)
  let done = 0
  for (const [queue, some] of byQueue) {
    if (some.length > 0) done += await connection.parked[action](queue, some)
  }
  return done
}

async function allIds(
  connection: BrokerConnection,
  queue: string,
  action: 'retry' | 'drop',
): Promise<string[]> {
  const ids: string[] = []
  const page = 500
  for (let offset = 0; ; offset += page) {
    const messages = await connection.parked.list(queue, { limit: page, offset })
    ids.push(...messages.filter(({ retryable }) => retryable || action === 'drop').map(({ id }) => id))
    if (messages.length < page) return ids
  }
}

async function confirmDrop(session: Session, count: number): Promise<void> {
  const { ask } = session.options
  const refusal = 'Nothing was deleted.'
  if (ask === undefined)
    throw new CommandFailure(`${refusal} To delete without being asked: ct parked drop --force`)
  const answer = await ask(`Delete ${count} parked ${count === 1 ? 'message' : 'messages'} for good? [y/N] `)
  if (!/^y(es)?$/i.test(answer.trim())) throw new CommandFailure(refusal)
}

function bodyOf(message: ParkedMessage): string {
  try {
    return decodeUtf8(message.body)
  } catch (error) {
    if (!isCeleryError(error)) throw error
    return `base64:${Buffer.from(message.body).toString('base64')}`
  }
}

function asData({ queue, message }: Found): Readonly<Record<string, unknown>> {
  const { id, taskId, taskName, history, headers, retryable } = message
  return {
    queue,
    id,
    taskId: taskId ?? null,
    taskName: taskName ?? null,
    history,
    retryable,
    headers,
    body: bodyOf(message),
  }
}

function asText({ queue, message }: Found): string {
  const { history } = message
  const lines: readonly (readonly [string, string])[] = [
    ['queue', queue],
    ['id', message.id],
    ['task', `${message.taskName ?? '?'} ${message.taskId ?? ''}`.trim()],
    ['reason', history.reason],
    ['starts', String(history.starts)],
    ['parked', `${history.parkedAt}${history.by === undefined ? '' : ` by ${history.by}`}`],
    ['retry', message.retryable ? `ct parked retry ${message.id}` : 'impossible: it is not even a message'],
    ['headers', jsonText(message.headers, 2)],
    ['body', bodyOf(message)],
  ]
  return lines.map(([name, value]) => `${name.padEnd(9)}${value}`).join('\n')
}
