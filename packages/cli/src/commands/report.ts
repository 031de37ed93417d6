import type { Command } from 'commander'
import type { Session } from '../session.ts'

/** `ct report`: what a bug report needs, without secrets (CLI-37). */
export function addReport(program: Command, session: Session): void {
  program
    .command('report')
    .description('versions and settings for a bug report; passwords are masked')
    .action(async () => {
      const app = await session.app()
      session.print(app.bugReport().trim())
    })
}
