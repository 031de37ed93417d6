/** What is measured: the same shapes for every contestant. Seconds from the call to the last result. */
export type Shape = 'chord' | 'chain' | 'chains' | 'group'

export interface ShapeOptions {
  readonly title: string
  /** Members, steps, or chains. */
  readonly count: number
  /** Tasks that run. */
  readonly tasks: number
  /** Times that it is run again in the same processes, for what it takes when they are warm. */
  readonly repeats: number
}

export const shapes: Readonly<Record<Shape, ShapeOptions>> = {
  chord: { title: 'A chord of 1,000 parts', count: 1000, tasks: 1001, repeats: 16 },
  chain: { title: 'A chain of 100 steps', count: 100, tasks: 100, repeats: 120 },
  chains: { title: '1,000 chains of 3 steps', count: 1000, tasks: 3000, repeats: 10 },
  group: { title: 'A group of 10,000', count: 10_000, tasks: 10_000, repeats: 4 },
}

export interface WorkflowContestant {
  readonly name: string
  readonly about: string
  /** Sends and awaits the shape, worker included, once after a smaller one, and then `repeats` times more; seconds of each. */
  run(redisUrl: string, shape: Shape, options: ShapeOptions): Promise<readonly number[]>
}

/** For contestants that run here. */
export async function timed(
  { count, repeats }: ShapeOptions,
  run: (size: number) => Promise<unknown>,
): Promise<readonly number[]> {
  await run(Math.max(10, Math.round(count / 5)))
  const seconds: number[] = []
  for (let turn = 0; turn <= repeats; turn += 1) {
    const start = performance.now()
    await run(count)
    seconds.push((performance.now() - start) / 1000)
  }
  return seconds
}
