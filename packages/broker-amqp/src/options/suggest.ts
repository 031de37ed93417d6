/** The nearest of the known names, when near enough to be what was meant. */
export function suggest(given: string, known: Iterable<string>): string | undefined {
  const wanted = fold(given)
  let best: string | undefined
  let bestDistance = Math.max(2, Math.floor(wanted.length / 4)) + 1
  for (const name of known) {
    const distance = editDistance(wanted, fold(name), bestDistance)
    if (distance < bestDistance) {
      best = name
      bestDistance = distance
    }
  }
  return best
}

/** `visibility_timeout` and `visibilityTimeout` are one name to a person. */
function fold(name: string): string {
  return name.replace(/[_-]/g, '').toLowerCase()
}

function editDistance(a: string, b: string, limit: number): number {
  if (Math.abs(a.length - b.length) >= limit) return limit
  let previous = Array.from({ length: b.length + 1 }, (_, index) => index)
  for (let row = 1; row <= a.length; row++) {
    const current = [row]
    for (let column = 1; column <= b.length; column++) {
      const change = a[row - 1] === b[column - 1] ? 0 : 1
      current[column] = Math.min(
        (previous[column] ?? 0) + 1,
        (current[column - 1] ?? 0) + 1,
        (previous[column - 1] ?? 0) + change,
      )
    }
    previous = current
  }
  return previous[b.length] ?? limit
}
