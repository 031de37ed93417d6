/**
 * The command line of `ct multi` (celery/apps/multi.py 5.7, `NamespacedOptionParser`): words are nodes, `--name=value` and `-n value` are options
 * of every worker, and with `:1`, `:1-3`, `:1,2` or `:image` behind their names, of those nodes. What follows `--` is passed on.
 */

/** Options by name, dashes included; null: a switch. */
export type NodeOptions = Map<string, string | null>

export interface MultiArguments {
  readonly nodes: readonly string[]
  readonly options: NodeOptions
  /** By what stands behind the colon. */
  readonly namespaces: Map<string, NodeOptions>
  /** `--` and what follows it. */
  readonly passedThrough: readonly string[]
  /** The words as given, for those who look for `-QUIT`. */
  readonly words: readonly string[]
}

export function parseMulti(given: readonly string[]): MultiArguments {
  const words = given.filter((word) => word !== '')
  const nodes: string[] = []
  const options: NodeOptions = new Map()
  const namespaces = new Map<string, NodeOptions>()
  const end = words.indexOf('--')
  const own = end === -1 ? words : words.slice(0, end)
  const add = (option: string, value: string | null): void => {
    const colon = option.indexOf(':')
    if (colon === -1) {
      options.set(option, value)
      return
    }
    const space = option.slice(colon + 1)
    const there = namespaces.get(space) ?? new Map<string, string | null>()
    namespaces.set(space, there.set(option.slice(0, colon), value))
  }
  for (let at = 0; at < own.length; at++) {
    const word = own[at]!
    if (word.startsWith('--')) {
      const equals = word.indexOf('=')
      add(equals === -1 ? word : word.slice(0, equals), equals === -1 ? null : word.slice(equals + 1))
    } else if (word.startsWith('-')) {
      const next = own[at + 1]
      const takes = next !== undefined && !next.startsWith('-')
      if (takes) at += 1
      add(word, takes ? next : null)
    } else nodes.push(word)
  }
  return { nodes, options, namespaces, passedThrough: end === -1 ? [] : words.slice(end), words: own }
}
