import { median } from '../statistics.ts'

/** Theil and Sen's: the median of the slopes between all pairs of points. NaN for fewer than two. */
export function slope(points: readonly (readonly [x: number, y: number])[]): number {
  const slopes: number[] = []
  for (const [index, [x, y]] of points.entries()) {
    for (const [laterX, laterY] of points.slice(index + 1)) {
      if (laterX !== x) slopes.push((laterY - y) / (laterX - x))
    }
  }
  return median(slopes)
}
