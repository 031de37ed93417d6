/** A result and those before it. Loops, since a chain may have more steps than calls can be nested. */
import type { ResultHandle } from '@ct/contracts'
import type { ResultNode } from './async-result.ts'

interface InLine<T> {
  readonly parent: T | null
}

/** Makes something of each, from the oldest on; gives what was made of the last. */
export function inLine<T extends InLine<T>, R>(last: T, make: (one: T, parent: R | null) => R): R {
  const line: T[] = []
  for (let one: T | null = last; one !== null; one = one.parent) line.push(one)
  return line.reduceRight<R | null>((parent, one) => make(one, parent), null)!
}

/** Identity of a result, of its members and of those before it, as data. */
export function handleInLine(last: ResultNode): ResultHandle {
  return inLine<ResultNode, ResultHandle>(last, (one, parent) => ({
    id: one.id,
    parent,
    children: 'results' in one ? one.results.map((member) => member.handle()) : null,
  }))
}
