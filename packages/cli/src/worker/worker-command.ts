import type { Command } from 'commander'
import type { UserOption } from '@ct/client'
import { commandVariable, withEnvironment } from '../environment-option.ts'
import type { Session } from '../session.ts'
import { addUserOptions, givenFor } from '../user-options.ts'
import { workerCommandOptions, type WorkerCommandOptions } from './worker-options.ts'

/** `ct worker` (CLI-20). */
export function addWorker(program: Command, session: Session, own: readonly UserOption[]): void {
  const command = program
    .command('worker')
    .description('work off tasks')
    .argument('[settings...]', 'settings as key=value, such as worker.prefetch_multiplier=1')
  for (const option of workerCommandOptions()) {
    command.addOption(withEnvironment(option, [commandVariable('worker', option)]))
  }
  addUserOptions(command, own)
  command.action(async (settings: readonly string[], options: WorkerCommandOptions) => {
    // Other commands need no worker code.
    const { runWorker } = await import('./run-worker.ts')
    await runWorker(session, settings, options, givenFor(own, { ...options }))
  })
}
