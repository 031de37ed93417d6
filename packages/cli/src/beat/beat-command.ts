import type { Command } from 'commander'
import type { UserOption } from '@ct/client'
import { commandVariable, withEnvironment } from '../environment-option.ts'
import type { Session } from '../session.ts'
import { addUserOptions } from '../user-options.ts'
import { beatCommandOptions, type BeatCommandOptions } from './beat-options.ts'

/** `ct beat` (CLI-21). */
export function addBeat(program: Command, session: Session, own: readonly UserOption[]): void {
  const command = program
    .command('beat')
    .description('send periodic tasks when they are due')
    .argument('[settings...]', 'settings as key=value, such as beat.cron_starting_deadline=3600')
  for (const option of beatCommandOptions())
    command.addOption(withEnvironment(option, [commandVariable('beat', option)]))
  addUserOptions(command, own)
  command.action(async (settings: readonly string[], options: BeatCommandOptions) => {
    // Other commands need no schedules.
    const { runBeat } = await import('./run-beat.ts')
    await runBeat(session, settings, options)
  })
}
