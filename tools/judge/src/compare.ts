/** What differs between two outcomes of the same tree. */
import type { Outcome } from './outcome.ts'

/** One line a difference: `state t3: python SUCCESS 4, ct FAILURE …`. */
export function differences(
  left: Outcome,
  right: Outcome,
  labels: readonly [string, string],
  what: { readonly handle?: 'whole' | 'end' } = {},
): string[] {
  if (left.error !== undefined && right.error !== undefined) return []
  const found: string[] = []
  const line = (of: string, one: string, other: string): void => {
    if (one !== other) found.push(`${of}: ${labels[0]} ${one}; ${labels[1]} ${other}`)
  }
  line('error', left.error ?? 'none', right.error ?? 'none')
  const [onlyLeft, onlyRight] = without(left.calls, right.calls)
  for (const call of onlyLeft) line(`call ${call}`, 'yes', 'no')
  for (const call of onlyRight) line(`call ${call}`, 'no', 'yes')
  for (const part of ['states', 'children'] as const) {
    const one = grouped(left[part])
    const other = grouped(right[part])
    for (const name of [...new Set([...one.keys(), ...other.keys()])].toSorted())
      line(`${part} ${name}`, one.get(name) ?? 'nothing', other.get(name) ?? 'nothing')
  }
  const handle = what.handle === 'end' ? 'end' : 'handle'
  line(handle, left[handle], right[handle])
  return found
}

function grouped(pairs: readonly (readonly [string, string])[]): Map<string, string> {
  const groups = Map.groupBy(pairs, ([name]) => name)
  return new Map([...groups].map(([name, list]) => [name, list.map(([, text]) => text).join(' | ')]))
}

/** What each list has more of than the other, repetitions counted. */
function without(left: readonly string[], right: readonly string[]): [string[], string[]] {
  const rest = [...right]
  const only = left.filter((one) => {
    const at = rest.indexOf(one)
    if (at >= 0) rest.splice(at, 1)
    return at < 0
  })
  return [only, rest]
}
