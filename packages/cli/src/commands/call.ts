import { type Command, Option } from 'commander'
import type { CallOptions } from '@ct/client'
import type { RawJson } from '@ct/contracts'
import { jsonArray, jsonObject, moment, seconds, secondsOrMoment } from '../option-values.ts'
import type { Session } from '../session.ts'

interface CallCommandOptions {
  readonly args?: readonly RawJson[]
  readonly kwargs?: Readonly<Record<string, RawJson>>
  readonly eta?: string
  readonly countdown?: number
  readonly expires?: number | string
  readonly serializer?: string
  readonly queue?: string
  readonly exchange?: string
  readonly routingKey?: string
}

/** `ct call NAME`: sends a task, registered here or not, and prints its id (CLI-23). */
export function addCall(program: Command, session: Session): void {
  program
    .command('call')
    .description('send a task and print its id')
    .argument('<name>', 'name of the task')
    .addOption(new Option('-a, --args <json>', "arguments, e.g. '[2, 3]'").argParser(jsonArray))
    .addOption(
      new Option('-k, --kwargs <json>', 'keyword arguments, e.g. \'{"x": 2}\'').argParser(jsonObject),
    )
    .addOption(new Option('--eta <moment>', 'not before this moment (ISO 8601)').argParser(moment))
    .addOption(
      new Option('--countdown <seconds>', 'not before so many seconds').argParser(seconds).conflicts('eta'),
    )
    .addOption(
      new Option('--expires <seconds|moment>', 'not after so many seconds, or this moment').argParser(
        secondsOrMoment,
      ),
    )
    .option('--serializer <name>', 'serializer of the arguments')
    .option('--queue <name>', 'queue to send to')
    .option('--exchange <name>', 'exchange to send to')
    .option('--routing-key <key>', 'routing key to send with')
    .action(async (name: string, given: CallCommandOptions) => {
      const app = await session.appWithBroker()
      const { broker } = app.context
      if (!broker.capabilities.durable) {
        session.complain(
          `${broker.describe().url} ends with this command, and the task with it. Give a broker that workers reach: -b`,
        )
      }
      const options: CallOptions & { args?: readonly unknown[]; kwargs?: Readonly<Record<string, unknown>> } =
        given
      const result = await app.sendTask(name, options)
      session.print(result.id)
    })
}
