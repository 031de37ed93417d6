/**
 * The titles of the tests in a source file: what `it`, `test`, `describe` and their `.each`, `.skipIf` … are called with first. Where a title
 * takes in a property of the rows (`'$outcome'`), the texts of that property are titles too.
 */

const call = /\b(?:it|test|describe)(?:\.\w+)*\s*\(/g
const quotes = new Set(["'", '"', '`'])

export function testTitles(source: string): string[] {
  const titles: string[] = []
  for (const match of source.matchAll(call)) {
    let at = match.index + match[0].length
    // `.each([…])('title', …)`, `.skipIf(…)('title', …)`: what is in the first pair of brackets is no title.
    if (!quotes.has(source[skipSpace(source, at)] ?? '')) {
      if (!match[0].includes('.')) continue
      const end = closing(source, at)
      if (end === undefined || source[skipSpace(source, end)] !== '(') continue
      at = skipSpace(source, end) + 1
    }
    const start = skipSpace(source, at)
    if (!quotes.has(source[start] ?? '')) continue
    const end = endOfText(source, start)
    if (end !== undefined) titles.push(source.slice(start + 1, end))
  }
  const properties = new Set(
    titles.flatMap((title) => [...title.matchAll(/\$(\w+)/g)].map(([, name]) => name!)),
  )
  return [...titles, ...[...properties].flatMap((name) => textsOf(source, name))]
}

function textsOf(source: string, property: string): string[] {
  const texts: string[] = []
  for (const match of source.matchAll(new RegExp(`\\b${property}:\\s*(?=['"\`])`, 'g'))) {
    const start = match.index + match[0].length
    const end = endOfText(source, start)
    if (end !== undefined) texts.push(source.slice(start + 1, end))
  }
  return texts
}

function skipSpace(source: string, at: number): number {
  while (/\s/.test(source[at] ?? '')) at++
  return at
}

/** Where the bracket ends that is open at `at`: just behind its closing one. */
function closing(source: string, at: number): number | undefined {
  for (let depth = 1; at < source.length; at++) {
    const char = source[at]!
    if (quotes.has(char)) {
      const end = endOfText(source, at)
      if (end === undefined) return undefined
      at = end
    } else if (source.startsWith('//', at)) {
      at = source.indexOf('\n', at)
      if (at < 0) return undefined
    } else if ('([{'.includes(char)) depth++
    else if (')]}'.includes(char) && --depth === 0) return at + 1
  }
  return undefined
}

function endOfText(source: string, start: number): number | undefined {
  const quote = source[start]!
  for (let at = start + 1; at < source.length; at++) {
    if (source[at] === '\\') at++
    else if (source[at] === quote) return at
    else if (source[at] === '\n' && quote !== '`') return undefined
  }
  return undefined
}
