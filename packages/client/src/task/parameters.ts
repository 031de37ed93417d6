import { ConfigurationError } from '@ct/contracts'
import { ArgumentsError } from './arguments-error.ts'
import { readParameters } from './function-source.ts'

/** Parameters of a task, as far as they are known. */
export interface ParameterList {
  /** Name for messages, as Python shows it: the function's. */
  readonly label: string
  /** Positional parameters; undefined when their names are not known. */
  readonly names: readonly string[] | undefined
  /** Which positional parameters must be given. */
  readonly required: readonly boolean[]
  /** Takes any number of further positional arguments. */
  readonly rest: boolean
  /** The last parameter takes keyword arguments no other has (`params: ['x', '**options']`). */
  readonly keywords: boolean
}

export type Kwargs = Readonly<Record<string, unknown>>

/**
 * What a function takes. `params` beats the source. Throws `CT_CONFIGURATION` when `params` does not fit the function.
 */
export function parametersOf(
  label: string,
  fn: (...args: never[]) => unknown,
  options: { readonly bind: boolean; readonly params?: readonly string[] | undefined },
): ParameterList {
  const skipped = options.bind ? 1 : 0
  const source = readParameters(fn)?.slice(skipped)
  if (options.params !== undefined) return declared(label, options.params, fn.length - skipped, source)
  if (source === undefined) {
    // Without a readable source, what has no default counts; more may be taken than that.
    const count = Math.max(0, fn.length - skipped)
    return {
      label,
      names: undefined,
      required: Array.from({ length: count }, () => true),
      rest: true,
      keywords: false,
    }
  }
  const positional = source.filter((parameter) => !parameter.rest)
  const names = positional.map(({ name }) => name)
  return {
    label,
    names: names.every((name) => name !== undefined) ? names : undefined,
    required: positional.map(({ optional }) => !optional),
    rest: source.length > positional.length,
    keywords: false,
  }
}

function declared(
  label: string,
  params: readonly string[],
  count: number,
  source: ReturnType<typeof readParameters>,
): ParameterList {
  const keywords = params.at(-1)?.startsWith('**') ?? false
  const named = keywords ? params.slice(0, -1) : params
  const rest = named.at(-1)?.startsWith('...') ?? false
  const positional = rest ? named.slice(0, -1) : named
  const names = positional.map((name) => (name.endsWith('?') ? name.slice(0, -1) : name))
  const bad = names.find((name) => !/^[\p{ID_Start}$_][\p{ID_Continue}$]*$/u.test(name))
  if (bad !== undefined || new Set(names).size < names.length) {
    throw new ConfigurationError(
      `Task ${label}: params must be different names such as 'x', 'y?' (may be left out), '...rest' and '**options' (last)${bad === undefined ? '' : `; "${bad}" is none`}.`,
    )
  }
  if (count > names.length + (keywords ? 1 : 0) && !rest) {
    throw new ConfigurationError(`Task ${label} takes ${count} parameters, but params names ${names.length}.`)
  }
  return {
    label,
    names,
    required: positional.map((name, at) => !name.endsWith('?') && source?.[at]?.optional !== true),
    rest,
    keywords,
  }
}

/**
 * Arguments in the order of the parameters, bound as Python binds them (TASK-30). Throws {@link ArgumentsError} (`CT_ARGUMENTS`) with the
 * text Python would use.
 */
export function bindArguments(
  list: ParameterList,
  args: readonly unknown[],
  kwargs: Kwargs,
): readonly unknown[] {
  const keys = Object.keys(kwargs)
  if (keys.length === 0 && !list.keywords) {
    if (args.length > list.required.length && !list.rest) throw tooMany(list, args.length)
    for (let at = args.length; at < list.required.length; at++)
      if (list.required[at] === true) throw missing(list, args, {})
    return args
  }
  return bindKeywords(list, args, kwargs, keys)
}

function bindKeywords(
  list: ParameterList,
  args: readonly unknown[],
  kwargs: Kwargs,
  keys: readonly string[],
): readonly unknown[] {
  const names = list.names
  if (names === undefined) {
    throw new ArgumentsError(
      `${list.label}() was called with keyword arguments (${keys.join(', ')}), but the names of its parameters are not known. Give them to the task: params: ['x', 'y'].`,
    )
  }
  if (args.length > names.length && !list.rest) throw tooMany(list, args.length)
  const bound = [...args]
  const others: Record<string, unknown> = {}
  for (const key of keys) {
    const at = names.indexOf(key)
    if (at < 0) {
      if (!list.keywords)
        throw new ArgumentsError(`${list.label}() got an unexpected keyword argument '${key}'`)
      Object.defineProperty(others, key, {
        value: kwargs[key],
        enumerable: true,
        configurable: true,
        writable: true,
      })
    } else if (at < args.length) {
      throw new ArgumentsError(`${list.label}() got multiple values for argument '${key}'`)
    } else {
      while (bound.length < at) bound.push(undefined)
      bound[at] = kwargs[key]
    }
  }
  for (let at = args.length; at < names.length; at++) {
    if (list.required[at] === true && !Object.hasOwn(kwargs, names[at]!)) throw missing(list, args, kwargs)
  }
  if (list.keywords) {
    while (bound.length < names.length) bound.push(undefined)
    // With both, `**options` stands before the rest: JavaScript wants rest parameters last.
    bound.splice(names.length, 0, others)
  }
  return bound
}

function tooMany(list: ParameterList, given: number): ArgumentsError {
  const most = list.required.length
  const least = list.required.filter(Boolean).length
  const takes = least === most ? String(most) : `from ${least} to ${most}`
  return new ArgumentsError(
    `${list.label}() takes ${takes} positional argument${most === 1 ? '' : 's'} but ${given} ${given === 1 ? 'was' : 'were'} given`,
  )
}

function missing(list: ParameterList, args: readonly unknown[], kwargs: Kwargs): ArgumentsError {
  const names = list.required.flatMap((required, at) => {
    if (!required || at < args.length) return []
    const name = list.names?.[at]
    if (name !== undefined && Object.hasOwn(kwargs, name)) return []
    return [name === undefined ? `#${at + 1}` : `'${name}'`]
  })
  const last = names.at(-1)!
  const before = names.slice(0, -1)
  const listed =
    before.length === 0 ? last : `${before.join(', ')}${before.length > 1 ? ',' : ''} and ${last}`
  return new ArgumentsError(
    `${list.label}() missing ${names.length} required positional argument${names.length === 1 ? '' : 's'}: ${listed}`,
  )
}
