/** What is measured: the same shapes for every contestant. Seconds from the call to the last result. */
export type Shape = 'chord' | 'chain' | 'chains' | 'group'

export interface ShapeOptions {
  readonly title: string
  /** Members, steps, or chains. */
  readonly count: number
  /** Tasks that run. */
  readonly tasks: number
}

export const shapes: Readonly<Record<Shape, ShapeOptions>> = {
  chord: { title: 'A chord of 1,000 parts', count: 1000, tasks: 1001 },
  chain: { title: 'A chain of 100 steps', count: 100, tasks: 100 },
  chains: { title: '1,000 chains of 3 steps', count: 1000, tasks: 3000 },
  group: { title: 'A group of 10,000', count: 10_000, tasks: 10_000 },
}

export interface WorkflowContestant {
  readonly name: string
  readonly about: string
  /** Sends and awaits the shape, worker included, after a smaller one has warmed everything up; seconds. */
  run(redisUrl: string, shape: Shape, count: number): Promise<number>
}
