import type { CliCommand } from '@ct/cli'
import { defaultPlaces, packagesWith, type SearchPlaces } from './find-adapter.ts'

/**
 * Commands that installed packages add to `ct` (CLI-5; Celery's entry point `celery.commands`). A package says `"ct": { "commands": "commands" }` in its
 * package.json: the export of its main entry that is a list of them. Looked for where adapters are. What cannot be loaded is told and passed over.
 */
export async function findCommands(
  warn: (text: string) => void,
  places: SearchPlaces = defaultPlaces,
): Promise<readonly CliCommand[]> {
  const found: CliCommand[] = []
  for (const { name, exportName, load } of packagesWith('commands', places())) {
    try {
      const exported = load()
      if (!Array.isArray(exported)) throw new TypeError(`its export "${exportName}" is no list of commands`)
      const wrong = exported.find(
        (one: Partial<CliCommand> | null) => typeof one?.name !== 'string' || typeof one.run !== 'function',
      )
      if (wrong !== undefined) throw new TypeError('a command has no name, or nothing to run')
      found.push(...(exported as CliCommand[]))
    } catch (error) {
      warn(`The commands of ${name} are left out: ${error instanceof Error ? error.message : String(error)}`)
    }
  }
  return found
}
