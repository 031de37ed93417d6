/** Options of an app's own on the command line (`app.userOptions`; APP-73, CLI-6). The app is loaded before the line is read, as in Celery. */
import { Command, InvalidArgumentError, Option } from 'commander'
import type { App, UserOption, UserOptions } from '@ct/client'
import { addGlobalOptions, type GlobalOptions } from './global-options.ts'
import type { Session } from './session.ts'

/** The options of the app that the line names; undefined: it names none, or it cannot be loaded, which the command itself will tell. */
export async function userOptionsFor(
  session: Session,
  argv: readonly string[],
): Promise<UserOptions | undefined> {
  try {
    const globals = scanned(argv).opts<GlobalOptions>()
    if (globals.app === undefined && session.options.app === undefined) return undefined
    session.begin(globals)
    return (await session.app()).userOptions
  } catch {
    return undefined
  }
}

/** The command that a line names, whatever stands around it. `preload`: of the app, which stand before it. */
export function commandIn(argv: readonly string[], preload: readonly UserOption[]): string | undefined {
  try {
    return scanned(argv, preload).args[0]
  } catch {
    return undefined
  }
}

/** A line of which only the options that every command has are known. */
function scanned(argv: readonly string[], preload: readonly UserOption[] = []): Command {
  const scan = new Command()
    .allowUnknownOption()
    .allowExcessArguments()
    .helpOption(false)
    .configureOutput({ outputError: () => {} })
    .exitOverride()
    .action(() => {})
  addGlobalOptions(scan)
  for (const { flags } of preload) scan.addOption(new Option(flags))
  return scan.parse([...argv], { from: 'user' })
}

export function addUserOptions(command: Command, own: readonly UserOption[]): void {
  for (const one of own) command.addOption(userOption(one))
}

function userOption({ flags, description, default: value, choices, parse }: UserOption): Option {
  const option = new Option(flags, description)
  if (value !== undefined) option.default(value)
  if (choices !== undefined) option.choices(choices)
  if (parse !== undefined) {
    option.argParser((text: string) => {
      try {
        return parse(text)
      } catch (error) {
        throw new InvalidArgumentError(error instanceof Error ? error.message : String(error))
      }
    })
  }
  return option
}

/** What was given for the options of the app's own, defaults included, by their names in camelCase. */
export function givenFor(
  own: readonly UserOption[],
  values: Readonly<Record<string, unknown>>,
): Record<string, unknown> {
  const names = own.map((one) => userOption(one).attributeName())
  return Object.fromEntries(
    names.filter((name) => values[name] !== undefined).map((name) => [name, values[name]]),
  )
}

/** SIG-30 */
export async function sendPreload(
  app: App,
  command: string,
  options: Readonly<Record<string, unknown>>,
): Promise<void> {
  await app.signals.userPreloadOptions.send({ sender: command, app, options })
}
