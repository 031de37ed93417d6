/** The answer to `conf`: Python's names, secrets hidden; without `with_defaults` only what was changed. */
import { settingsForDisplay } from '@ct/client'
import type { CommandTarget } from './command.ts'

export function configuration({ context }: CommandTarget, withDefaults: boolean): Record<string, unknown> {
  return settingsForDisplay(withDefaults ? context.settings : context.changes())
}
