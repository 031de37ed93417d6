import os from 'node:os'
import type { Command } from 'commander'
import type { Session } from '../session.ts'

/** `ct report`: what a bug report needs, without secrets (CLI-37). */
export function addReport(program: Command, session: Session): void {
  program
    .command('report')
    .description('versions and settings for a bug report; passwords are masked')
    .action(async () => {
      const app = await session.app()
      const { context } = app
      const lines: readonly (readonly [string, string])[] = [
        ['software', `ct ${session.options.version}, Node ${process.version}`],
        ['platform', `${os.type()} ${os.release()}, ${process.arch}`],
        ['app', `${app.name ?? '(no name)'} with ${context.tasks.size} tasks`],
        ['transport', context.broker.describe().url],
        ['results', context.backend?.describe().url ?? 'disabled'],
        ['defaults', context.defaults],
      ]
      for (const [name, value] of lines) session.print(`${name.padEnd(12)}${value}`)
      const settings = app.describeSettings()
      if (settings !== '') session.print(`\nSettings that differ from the defaults:\n${settings}`)
    })
}
