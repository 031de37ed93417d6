import type { Lane } from './lane.ts'

/**
 * Divides one budget among queues. Everybody gets something; who has had all of its share in hand while the others were idle gets what
 * they do not need. The sum exceeds the budget only when there are more queues than budget.
 */
export function shares(credit: number, hungry: readonly boolean[]): readonly number[] {
  const count = hungry.length
  if (credit === Infinity) return hungry.map(() => Infinity)
  const wanting = hungry.filter(Boolean).length
  if (wanting === 0 || wanting === count) return even(credit, count)
  const floor = Math.max(1, Math.floor(credit / (4 * count)))
  const rest = even(Math.max(wanting, credit - floor * (count - wanting)), wanting)
  let next = 0
  return hungry.map((is) => (is ? (rest[next++] as number) : floor))
}

function even(credit: number, count: number): readonly number[] {
  const base = Math.floor(credit / count)
  const more = credit - base * count
  return Array.from({ length: count }, (_, index) => Math.max(1, base + (index < more ? 1 : 0)))
}

/** Gives each queue its share of the budget. Those that need no acknowledgements have none; those that are leaving need none. */
export function divideAmong(all: Iterable<Lane>, credit: number): void {
  const lanes = [...all]
  const sharing = lanes.filter(({ noAck, ended }) => !noAck && !ended)
  const targets = shares(
    credit,
    sharing.map(({ hungry }) => hungry),
  )
  for (const [index, lane] of sharing.entries()) lane.target = targets[index] as number
  for (const lane of lanes) if (lane.noAck) lane.target = 1
}
