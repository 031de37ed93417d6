/** Numbers and times in words, for people who look at lists of schedules. */

const units = [
  ['week', 604_800_000],
  ['day', 86_400_000],
  ['hour', 3_600_000],
  ['minute', 60_000],
  ['second', 1000],
  ['millisecond', 1],
] as const

/** `1 hour 30 minutes`, `hour` for exactly one, `1.5 milliseconds`. */
export function durationInWords(ms: number): string {
  const parts: (readonly [count: number, unit: string])[] = []
  let rest = ms
  for (const [unit, length] of units) {
    // Weeks only where they come out even: 10 days are no week and three days to anybody.
    if (unit === 'week' && ms % length !== 0) continue
    const count = unit === 'millisecond' ? Math.round(rest * 1000) / 1000 : Math.floor(rest / length)
    rest -= count * length
    if (count > 0) parts.push([count, unit])
  }
  const [first] = parts
  if (parts.length === 1 && first?.[0] === 1) return first[1]
  return parts.map(([count, unit]) => `${count} ${unit}${count === 1 ? '' : 's'}`).join(' ')
}

/** `a`, `a and b`, `a, b and c`. */
export function listInWords(items: readonly string[]): string {
  const last = items.at(-1) ?? ''
  return items.length < 2 ? last : `${items.slice(0, -1).join(', ')} and ${last}`
}

/** Numbers in order as words, three or more in a row as `a to b`. With `ring`, the row may run on past the end: `Friday to Monday`. */
export function rangesInWords(
  values: readonly number[],
  word: (value: number) => string,
  ring?: { readonly min: number; readonly max: number },
): string {
  const runs: number[][] = []
  for (const value of values) {
    const run = runs.at(-1)
    if (run !== undefined && run.at(-1) === value - 1) run.push(value)
    else runs.push([value])
  }
  const [first] = runs
  const last = runs.at(-1)
  if (ring !== undefined && first !== undefined && last !== undefined && runs.length > 1)
    if (first[0] === ring.min && last.at(-1) === ring.max) {
      last.push(...first)
      runs.shift()
    }
  return listInWords(
    runs.flatMap((run) =>
      run.length < 3 ? run.map(word) : [`${word(run[0] ?? 0)} to ${word(run.at(-1) ?? 0)}`],
    ),
  )
}
