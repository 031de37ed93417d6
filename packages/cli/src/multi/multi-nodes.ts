/**
 * From words to nodes (celery/apps/multi.py 5.7, `MultiParser`): `3` is `celery1`, `celery2`, `celery3`; names are themselves; a node without a
 * host is on this one.
 */
import { hostname as osHostname } from 'node:os'
import { CommandFailure, exitCodes } from '../exit-codes.ts'
import type { MultiArguments, NodeOptions } from './multi-arguments.ts'
import { MultiNode, type MultiProgram } from './multi-node.ts'

/** Options of `multi` itself; the others are the workers'. */
const ownOptions = ['--cmd', '--append', '--hostname', '-n', '--prefix', '--suffix', '--range-prefix']

export function multiNodes(
  { nodes, options, namespaces, passedThrough }: MultiArguments,
  program: MultiProgram,
): readonly MultiNode[] {
  const own = (name: string): string | undefined => options.get(name) ?? undefined
  const host = own('--hostname') ?? own('-n') ?? osHostname()
  const suffix = own('--suffix') ?? host
  const [only] = nodes
  const isRange = nodes.length === 1 && /^\d+$/.test(only!)
  const names = isRange ? Array.from({ length: Number(only) }, (_, index) => String(index + 1)) : nodes
  const prefix = isRange ? (own('--range-prefix') ?? 'celery') : (own('--prefix') ?? '')
  const perNode = isRange
    ? spread(byIndex(namespaces, names), true)
    : byIndex(spread(namespaces, false), names)
  const shared: NodeOptions = new Map([...options].filter(([name]) => !ownOptions.includes(name)))
  return names.map((name) => {
    const node = nodeName(name, prefix, /^(?:""|'')$/.test(suffix) ? '' : suffix)
    const special =
      perNode.get(node) ?? perNode.get(name.includes('@') ? name.slice(0, name.indexOf('@')) : name)
    return new MultiNode(node, {
      program,
      options: new Map([...shared, ...(special ?? [])]),
      command: own('--cmd'),
      append: own('--append'),
      passedThrough,
    })
  })
}

function nodeName(name: string, prefix: string, suffix: string): string {
  if (name.includes('@')) return expandHost(name)
  return expandHost(`${prefix}${name}@${suffix}`)
}

/** `%h` is this host, `%n` its first part, `%d` its domain. */
function expandHost(text: string): string {
  const host = osHostname()
  const [first = '', ...domain] = host.split('.')
  const parts: Readonly<Record<string, string>> = { h: host, n: first, d: domain.join('.'), '%': '%' }
  return text.replaceAll(/%(.)/g, (whole, key: string) => parts[key] ?? whole)
}

/** `-c:1` of `start foo bar` is `-c:foo`: numbers are places in the list. */
function byIndex(
  spaces: ReadonlyMap<string, NodeOptions>,
  names: readonly string[],
): ReadonlyMap<string, NodeOptions> {
  const merged = new Map(spaces)
  for (const [space, options] of spaces) {
    if (!/^\d+$/.test(space)) continue
    const name = names[Number(space) - 1]
    if (name === undefined) {
      throw new CommandFailure(
        space === '0'
          ? 'Nodes are counted from 1: there is no node 0.'
          : `There is no node ${space}: ${names.length} are named.`,
        exitCodes.error,
      )
    }
    merged.set(name, new Map([...(merged.get(name) ?? []), ...options]))
  }
  return merged
}

/** `1,2` and, where nodes are numbers, `1-3`. */
function spread(spaces: ReadonlyMap<string, NodeOptions>, ranges: boolean): ReadonlyMap<string, NodeOptions> {
  const merged = new Map<string, NodeOptions>()
  for (const [space, options] of spaces) {
    for (const one of space.split(',').flatMap((part) => (ranges ? rangeOf(part) : [part])))
      merged.set(one, new Map([...(merged.get(one) ?? []), ...options]))
  }
  return merged
}

function rangeOf(part: string): readonly string[] {
  const { from, to } = /^(?<from>\d+)-(?<to>\d+)$/.exec(part)?.groups ?? {}
  if (from === undefined) return [part]
  const first = Number(from)
  return Array.from({ length: Math.max(0, Number(to) - first + 1) }, (_, index) => String(first + index))
}
