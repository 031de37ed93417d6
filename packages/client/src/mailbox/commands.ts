/** Commands of the user's own that workers understand (celery/worker/control.py 5.7, `control_command` and `inspect_command`; CTRL-13). */
import { CeleryError, ConfigurationError } from '@ct/contracts'
import type { App } from '../app/app.ts'

/** What a word of the command line, or a value of the message, must be. */
export type CommandArgumentKind = 'text' | 'integer' | 'number' | 'boolean'

interface KindValues {
  readonly text: string
  readonly integer: number
  readonly number: number
  readonly boolean: boolean
}

export type CommandArgumentKinds = Readonly<Record<string, CommandArgumentKind>>

/** Arguments as the handler gets them: those that are `required` are there, others may be undefined. */
export type CommandArguments<
  A extends CommandArgumentKinds,
  R extends keyof A,
  V extends string | undefined,
> = {
  readonly [K in keyof A]: K extends R ? KindValues[A[K]] : KindValues[A[K]] | undefined
} & (V extends string ? { readonly [K in V]: readonly string[] } : unknown)

export interface CommandDefinition<
  A extends CommandArgumentKinds = CommandArgumentKinds,
  R extends keyof A = keyof A,
  V extends string | undefined = string | undefined,
> {
  /** As it is called: letters, digits, `_`. */
  readonly name: string
  readonly alias?: string | undefined
  /** One line for `--list` and `--help`. */
  readonly help?: string | undefined
  /** Names and kinds, in the order in which the command line gives them. */
  readonly args?: A | undefined
  /** Which of `args` must be given. Default: none. */
  readonly required?: readonly R[] | undefined
  /** All further words, as a list under this name. */
  readonly variadic?: V
  /** Seconds that the command line waits for a further answer. Default 1. */
  readonly defaultTimeout?: number | undefined
  /** Listed by `--list`. Default true. */
  readonly visible?: boolean | undefined
}

/** The worker that a command came to. */
export interface CommandWorker {
  readonly app: App
  /** Node name. */
  readonly hostname: string
  readonly concurrency: number
  /** Names of the queues consumed from. */
  readonly queues: readonly string[]
  /** Names of the tasks it can run. */
  readonly tasks: readonly string[]
  readonly counts: {
    readonly active: number
    readonly processed: number
    readonly received: number
    readonly refused: number
  }
}

export interface RegisteredCommand {
  readonly kind: 'inspect' | 'control'
  readonly definition: CommandDefinition
  readonly run: (worker: CommandWorker, args: Readonly<Record<string, unknown>>) => unknown
}

export type CommandHandler<
  A extends CommandArgumentKinds,
  R extends keyof A,
  V extends string | undefined,
> = (worker: CommandWorker, args: CommandArguments<A, R, V>) => unknown

/** Registers one; see `app.controlCommand`. Errors: `CT_CONFIGURATION`, `CT_ALREADY_REGISTERED`. */
export type DefineCommand = <
  const A extends CommandArgumentKinds = Record<never, never>,
  const R extends keyof A = never,
  const V extends string | undefined = undefined,
>(
  definition: CommandDefinition<A, R, V>,
  handler: CommandHandler<A, R, V>,
) => void

export class CommandRegistry {
  readonly #commands = new Map<string, RegisteredCommand>()

  /** By name or alias. */
  get(name: string): RegisteredCommand | undefined {
    return this.#commands.get(name)
  }

  /** Each once. */
  list(): RegisteredCommand[] {
    return [...new Set(this.#commands.values())]
  }

  add(command: RegisteredCommand): void {
    const { definition } = command
    check(definition)
    for (const name of [definition.name, definition.alias]) {
      if (name === undefined) continue
      if (this.#commands.has(name)) {
        throw new CeleryError('CT_ALREADY_REGISTERED', `There is a command "${name}" already.`)
      }
    }
    this.#commands.set(definition.name, command)
    if (definition.alias !== undefined) this.#commands.set(definition.alias, command)
  }
}

/**
 * The arguments of a message as a command wants them. Throws `TypeError` with Python's words for what is missing, unknown or of
 * another kind.
 */
export function commandArguments(
  definition: CommandDefinition,
  given: Readonly<Record<string, unknown>>,
): Readonly<Record<string, unknown>> {
  const { name, args = {}, required = [], variadic } = definition
  const stray = Object.keys(given).find((key) => !Object.hasOwn(args, key) && key !== variadic)
  if (stray !== undefined) throw new TypeError(`${name}() got an unexpected keyword argument '${stray}'`)
  const result: Record<string, unknown> = {}
  for (const [key, kind] of Object.entries(args)) {
    const value = given[key] ?? undefined
    if (value === undefined && (required as readonly string[]).includes(key))
      throw new TypeError(`${name}() missing 1 required argument: '${key}'`)
    if (value !== undefined && !fits[kind](value))
      throw new TypeError(`${name}(): ${key} must be ${wanted[kind]}`)
    result[key] = value
  }
  if (variadic !== undefined) {
    const value = given[variadic] ?? []
    const list = typeof value === 'string' ? [value] : value
    if (!Array.isArray(list) || list.some((one) => typeof one !== 'string'))
      throw new TypeError(`${name}(): ${variadic} must be a list of texts`)
    result[variadic] = list
  }
  return result
}

const fits: Readonly<Record<CommandArgumentKind, (value: unknown) => boolean>> = {
  text: (value) => typeof value === 'string',
  integer: (value) => Number.isSafeInteger(value),
  number: (value) => typeof value === 'number' && Number.isFinite(value),
  boolean: (value) => typeof value === 'boolean',
}

const wanted: Readonly<Record<CommandArgumentKind, string>> = {
  text: 'a text',
  integer: 'a whole number',
  number: 'a number',
  boolean: 'true or false',
}

const known: ReadonlySet<string> = new Set<keyof CommandDefinition>([
  'name',
  'alias',
  'help',
  'args',
  'required',
  'variadic',
  'defaultTimeout',
  'visible',
])

function check(definition: CommandDefinition): void {
  const { name, alias, args = {}, required = [], defaultTimeout } = definition
  const wrong = (problem: string): ConfigurationError =>
    new ConfigurationError(`The command ${JSON.stringify(name)} ${problem}.`)
  const stray = Object.keys(definition).find((key) => !known.has(key))
  if (stray !== undefined) throw wrong(`has an option "${stray}" that no command has`)
  for (const one of [name, alias]) {
    if (one !== undefined && !/^[A-Za-z]\w*$/.test(one))
      throw wrong('needs a name of letters, digits and underscores')
  }
  for (const [key, kind] of Object.entries(args)) {
    if (!Object.hasOwn(fits, kind)) {
      throw wrong(
        `has an argument "${key}" of the kind "${String(kind)}"; kinds are ${Object.keys(fits).join(', ')}`,
      )
    }
  }
  const missing = (required as readonly string[]).find((key) => !Object.hasOwn(args, key))
  if (missing !== undefined) throw wrong(`requires "${missing}", which is not among its arguments`)
  if (defaultTimeout !== undefined && !(defaultTimeout > 0)) throw wrong('needs a defaultTimeout above 0')
}
