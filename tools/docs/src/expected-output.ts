/** Lines a program is expected to print, according to the `// → text` comments of its source. */
export function outputInComments(source: string): string[] {
  return [...source.matchAll(/(?:\/\/|#) → ?(.*)$/gm)].map(([, text = '']) => text.trimEnd())
}

/** Whether a line is what was expected, `…` standing for anything. */
export function lineMatches(expected: string, actual: string): boolean {
  const pattern = expected.trimEnd().split('…').map(escape).join('.*')
  return new RegExp(`^${pattern}$`).test(actual.trimEnd())
}

/** Whether the output is what was expected; a line of `…` alone stands for any number of lines. */
export function outputMatches(expected: readonly string[], actual: readonly string[]): boolean {
  const [first, ...rest] = expected
  if (first === undefined) return actual.every((line) => line.trim() === '')
  if (first.trim() === '…')
    return actual.some((_, at) => outputMatches(rest, actual.slice(at))) || outputMatches(rest, [])
  const [line, ...others] = actual
  return line !== undefined && lineMatches(first, line) && outputMatches(rest, others)
}

/** Whether these lines occur in this order, with anything between them: for the log of a program that runs on. */
export function outputContains(expected: readonly string[], actual: readonly string[]): boolean {
  let at = 0
  for (const line of expected) {
    if (line.trim() === '…' || line.trim() === '') continue
    while (at < actual.length && !lineMatches(line.trim(), (actual[at] ?? '').trim())) at++
    if (at === actual.length) return false
    at++
  }
  return true
}

function escape(text: string): string {
  return text.replace(/[\\^$.*+?()[\]{}|]/g, '\\$&')
}
