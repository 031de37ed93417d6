/** `ct upgrade settings` (CLI-35; celery/bin/upgrade.py 5.7): old names of settings in a file become those of today. */
import { existsSync, readFileSync, writeFileSync } from 'node:fs'
import { extname } from 'node:path'
import type { Command } from 'commander'
import { settingsTable } from '@ct/client'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import type { Session } from '../session.ts'

interface UpgradeOptions {
  readonly django?: boolean
  readonly compat?: boolean
  /** False with `--no-backup`. */
  readonly backup: boolean
}

export function addUpgrade(program: Command, session: Session): void {
  program
    .command('upgrade')
    .description('bring files up to date')
    .command('settings')
    .description('rename settings that have old names (CELERYD_CONCURRENCY) in a file')
    .argument('<file>', 'TypeScript, JavaScript or JSON: names in camelCase; Python: in snake_case')
    .option('--django', 'names of the namespace CELERY: CELERY_WORKER_CONCURRENCY')
    .option('--compat', 'the same as --django')
    .option('--no-backup', 'do not keep the file as it was, as <file>.orig')
    .action((file: string, options: UpgradeOptions) => upgrade(session, file, options))
}

function upgrade(session: Session, file: string, options: UpgradeOptions): void {
  if (!existsSync(file)) throw new CommandFailure(`There is no file ${file}.`, exitCodes.usage)
  const before = readFileSync(file, 'utf8')
  const style =
    options.django === true || options.compat === true
      ? 'namespace'
      : extname(file) === '.py'
        ? 'snake'
        : 'camel'
  const renamed: string[] = []
  const after = before.replace(/\b[A-Z][A-Z0-9_]+\b/g, (word) => {
    const name = byOldName.get(word)
    const now = name === undefined ? word : spelled[style](name)
    if (now !== word) renamed.push(`${word} → ${now}`)
    return now
  })
  if (renamed.length === 0) return session.print(`${file}: nothing to change.`)
  if (options.backup) writeFileSync(`${file}.orig`, before)
  writeFileSync(file, after)
  for (const one of new Set(renamed)) session.print(one)
  const kept = options.backup ? `; as it was, it is kept in ${file}.orig` : ''
  session.tell(`${file}: ${renamed.length} ${renamed.length === 1 ? 'name' : 'names'} changed${kept}.`)
}

/** Those that Celery renamed in 4.0, in capitals then; the others have kept theirs but for the capitals. */
const byOldName: ReadonlyMap<string, string> = new Map(
  Object.entries(settingsTable).flatMap(([name, { old }]) =>
    old === undefined ? [] : [[old, name] as const],
  ),
)

const snake = (name: string): string => name.replaceAll(/[A-Z]/g, (letter) => `_${letter.toLowerCase()}`)

const spelled = {
  camel: (name: string) => name,
  snake,
  namespace: (name: string) => `CELERY_${snake(name).toUpperCase()}`,
} as const
