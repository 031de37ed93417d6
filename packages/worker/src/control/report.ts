/** The answer to `report`: the app's bug report, and the pool. */
import { bugReport } from '@ct/client'
import type { CommandTarget } from './command.ts'

export function report({ context, pool }: CommandTarget): string {
  return bugReport(context, { pool: pool.name })
}
