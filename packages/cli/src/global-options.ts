import { type Command, Option } from 'commander'
import { withEnvironment } from './environment-option.ts'

/** Options of every command; they may stand before or after its name (Celery: only before). */
export interface GlobalOptions {
  /** `module`, `module:attribute` or a path. */
  readonly app?: string
  readonly broker?: string
  readonly resultBackend?: string
  /** Module with settings. */
  readonly config?: string
  readonly workdir?: string
  /** False with `--no-color`. */
  readonly color?: boolean
  readonly quiet?: boolean
}

/** Each also comes from `CELERY_<NAME>` and from Celery's own bare name (CLI-2). */
export function addGlobalOptions(program: Command): void {
  const add = (option: Option, ...bare: readonly string[]): void => {
    const name = (option.long ?? '').replace(/^--/, '').replaceAll('-', '_').toUpperCase()
    program.addOption(withEnvironment(option, [`CELERY_${name}`, ...bare]))
  }
  add(new Option('-A, --app <module>', 'file or package that exports the app, also file:name'), 'APP')
  // CELERY_BROKER_URL is no variable of this option: the app reads it by itself.
  add(new Option('-b, --broker <url>', 'URL of the broker'), 'BROKER_URL')
  add(new Option('--result-backend <url>', 'URL of the result backend'), 'RESULT_BACKEND')
  add(new Option('--config <module>', 'module with settings'), 'CELERY_CONFIG_MODULE', 'CONFIG_MODULE')
  add(new Option('--workdir <folder>', 'work in this folder'), 'WORKDIR')
  // `--no-color` makes commander store `color: false`.
  add(new Option('-C, --no-color', 'no colours (also by NO_COLOR)'))
  add(new Option('-q, --quiet', 'no banner, no remarks'))
}
