/** `ct list bindings` (CLI-29). */
import type { Command } from 'commander'
import { CommandFailure } from '../exit-codes.ts'
import { formatTable } from '../output/table.ts'
import type { Session } from '../session.ts'

export function addList(program: Command, session: Session): void {
  program
    .command('list')
    .description('what the broker knows')
    .command('bindings')
    .description('queues, and what they are bound to')
    .option('-j, --json', 'as JSON, for programs')
    .action(async (options: { readonly json?: boolean }) => {
      const app = await session.appWithBroker()
      const { producer, queues, broker } = app.context
      const connection = await producer.connection()
      if (connection.administration === undefined)
        throw new CommandFailure(`The broker ${broker.describe().url} cannot list bindings.`)
      // As Celery does: those of the app are there, whether or not anybody has used them.
      await connection.declare([...queues.consumeFrom.values()].map((queue) => queue.declaration))
      const bindings = await connection.administration.bindings()
      if (options.json === true) return session.printJson(bindings)
      session.print(
        formatTable(
          ['Queue', 'Exchange', 'Routing Key'],
          bindings.map(({ queue, exchange, routingKey }) => [queue, exchange, routingKey]),
          session.style,
        ),
      )
    })
}
