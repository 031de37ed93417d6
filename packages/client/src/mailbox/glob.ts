/**
 * Shell patterns as Python's `fnmatch` reads them (case sensitive, whole text): `*`, `?`, `[seq]`, `[!seq]`.
 * Used by routes (`tasks.*`) and by remote control (`--pattern 'worker*'`).
 */
export function globToRegExp(glob: string): RegExp {
  let source = ''
  for (let i = 0; i < glob.length;) {
    const char = glob[i++]!
    if (char === '*') {
      // Runs of stars mean one; collapsing them keeps the expression from backtracking over and over.
      while (glob[i] === '*') i++
      source += '[^]*?'
    } else if (char === '?') {
      source += '[^]'
    } else if (char === '[') {
      const end = closingBracket(glob, i)
      if (end === -1) {
        source += '\\['
      } else {
        source += characterClass(glob.slice(i, end))
        i = end + 1
      }
    } else {
      source += char.replace(/[\\^$.*+?()[\]{}|/]/, '\\$&')
    }
  }
  return new RegExp(`^${source}$`)
}

/** The bracket that ends a class; one directly after `[` or `[!` is a member of it. */
function closingBracket(glob: string, start: number): number {
  let from = start
  if (glob[from] === '!') from++
  if (glob[from] === ']') from++
  return glob.indexOf(']', from)
}

function characterClass(members: string): string {
  const negated = members.startsWith('!')
  const body = (negated ? members.slice(1) : members).replace(/[\\\]^[&~|]/g, '\\$&')
  // A range that runs backwards matches nothing in Python and is an error in JavaScript.
  const ranges = body.replace(/(\\?.)-(\\?.)/gs, (range, low: string, high: string) =>
    (low.at(-1) ?? '') > (high.at(-1) ?? '') ? '' : range,
  )
  if (ranges === '') return negated ? '[^]' : '(?!)'
  return `[${negated ? '^' : ''}${ranges}]`
}
