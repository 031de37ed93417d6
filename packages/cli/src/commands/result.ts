import { type Command, Option } from 'commander'
import { isCeleryError, isTaskError } from '@ct/contracts'
import { CommandFailure } from '../exit-codes.ts'
import { seconds } from '../option-values.ts'
import { jsonText } from '../output/json-text.ts'
import type { Session } from '../session.ts'
import { reachBackend } from './reach-backend.ts'

interface ResultCommandOptions {
  readonly task?: string
  readonly traceback?: boolean
  readonly timeout?: number
  readonly json?: boolean
}

/** `ct result ID`: waits for a result and prints it (CLI-27). */
export function addResult(program: Command, session: Session): void {
  program
    .command('result')
    .description('wait for the result of a task and print it')
    .argument('<id>', 'id of the task')
    .option('-t, --task <name>', 'name of the task (results are found by id alone; accepted as in Celery)')
    .option('--traceback', 'print the traceback instead')
    .addOption(new Option('--timeout <seconds>', 'give up after so long (default: never)').argParser(seconds))
    .option('-j, --json', 'print the value as JSON')
    .action(async (id: string, options: ResultCommandOptions) => {
      const app = await session.app()
      await reachBackend(app)
      const result = app.asyncResult(id)
      const { timeout, json, traceback } = options
      let value: unknown
      try {
        value = await result.get({
          propagate: traceback !== true,
          ...(timeout === undefined ? {} : { timeoutMs: timeout * 1000 }),
        })
      } catch (error) {
        if (!(error instanceof Error) || (isCeleryError(error) && !isTaskError(error))) throw error
        throw new CommandFailure(`Task ${id} failed: ${error.name}: ${error.message}`, undefined, {
          cause: error,
        })
      }
      if (traceback === true)
        session.print((await result.traceback()) ?? 'No traceback: the task did not fail.')
      else if (json === true) session.printJson(value ?? null)
      else session.print(typeof value === 'string' ? value : jsonText(value ?? null, 2))
    })
}
