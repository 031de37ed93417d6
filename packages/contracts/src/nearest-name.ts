/** Beginnings shorter than this say too little about how a name goes on. */
const leastBeginning = 4

/**
 * The name somebody probably meant: the nearest by edits, if it is near enough to be worth saying. A name that begins in the same way, but
 * for the last letter, is nearer than any that is two edits away: `maxRetry` means `maxRetries`, however it ends.
 */
export function nearestName(name: string, candidates: Iterable<string>): string | undefined {
  const wanted = plain(name)
  const beginning = wanted.slice(0, -1)
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(wanted.length / 3)) + 1
  for (const candidate of candidates) {
    const other = plain(candidate)
    const edits = editDistance(wanted, other, bestDistance)
    const begins = beginning.length >= leastBeginning && other.startsWith(beginning)
    // The shortest of several that begin so.
    const distance = begins ? Math.min(edits, 1 + other.length / (other.length + 1)) : edits
    if (distance < bestDistance) {
      best = candidate
      bestDistance = distance
    }
  }
  return best
}

/** ` Did you mean "x"?`, or nothing. */
export function didYouMean(name: string, candidates: Iterable<string>): string {
  const nearest = nearestName(name, candidates)
  return nearest === undefined ? '' : ` Did you mean "${nearest}"?`
}

/** snake_case, UPPER_CASE and camelCase spellings of one name are the same name. */
function plain(name: string): string {
  return name.replaceAll(/[_-]/g, '').toLowerCase()
}

function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let i = 1; i <= a.length; i++) {
    const current = [i]
    for (let j = 1; j <= b.length; j++) {
      const substitution = previous[j - 1]! + (a[i - 1] === b[j - 1] ? 0 : 1)
      current.push(Math.min(substitution, previous[j]! + 1, current[j - 1]! + 1))
    }
    previous = current
  }
  return previous[b.length]!
}
