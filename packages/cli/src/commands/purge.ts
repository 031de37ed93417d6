import { type Command, Option } from 'commander'
import { CommandFailure } from '../exit-codes.ts'
import { list } from '../option-values.ts'
import type { Session } from '../session.ts'

interface PurgeOptions {
  readonly force?: boolean
  readonly queues?: readonly string[]
  readonly excludeQueues?: readonly string[]
}

/** `ct purge`: deletes what waits in the app's queues (CLI-28). */
export function addPurge(program: Command, session: Session): void {
  program
    .command('purge')
    .description('delete all waiting messages of the queues; there is no way back')
    .option('-f, --force', 'do not ask')
    .addOption(new Option('-Q, --queues <names>', 'these queues only').argParser(list))
    .addOption(new Option('-X, --exclude-queues <names>', 'all queues but these').argParser(list))
    .action(async (options: PurgeOptions) => {
      const app = await session.appWithBroker()
      const { queues, producer } = app.context
      const excluded = new Set(options.excludeQueues ?? [])
      const names = (options.queues ?? [...queues.consumeFrom.keys()]).filter((name) => !excluded.has(name))
      if (names.length === 0) throw new CommandFailure('No queue is left to purge.')
      if (options.force !== true) await confirm(session, names)
      const connection = await producer.connection()
      let removed = 0
      for (const name of names) removed += await connection.purge(name)
      const where = names.length === 1 ? `queue ${names[0]}` : `${names.length} queues: ${names.join(', ')}`
      session.print(
        removed === 0
          ? `Nothing to delete in ${where}.`
          : `Deleted ${removed} ${removed === 1 ? 'message' : 'messages'} of ${where}.`,
      )
    })
}

async function confirm(session: Session, names: readonly string[]): Promise<void> {
  const { ask } = session.options
  const refusal = 'Nothing was deleted.'
  if (ask === undefined)
    throw new CommandFailure(`${refusal} To delete without being asked: ct purge --force`)
  const answer = await ask(
    `Delete all waiting messages of ${names.join(', ')}? They cannot be brought back. [y/N] `,
  )
  if (!/^y(es)?$/i.test(answer.trim())) throw new CommandFailure(refusal)
}
