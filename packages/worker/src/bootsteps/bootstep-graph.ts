import type { App } from '@ct/client'
import { orderOf } from './blueprint.ts'
import { consumerPlaces, workerPlaces } from './own-steps.ts'

export interface BootstepNode {
  readonly blueprint: 'worker' | 'consumer'
  readonly name: string
  /** Names of steps of the same blueprint. */
  readonly requires: readonly string[]
  /** Added by the app, not a part of every worker. */
  readonly added: boolean
}

/**
 * The steps that a worker of this app would start, in their order: those of the worker, then those of its consumer. Throws `CT_CONFIGURATION`
 * as the start of the worker would. A step's `includeIf` is not asked: what it looks at is known only when a worker starts.
 */
export function bootstepGraph(app: App): readonly BootstepNode[] {
  const worker = workerPlaces<never>()
  const consumer = consumerPlaces<never>()
  const own = new Set([...worker, ...consumer].map((step) => step.stepName))
  const nodes = (blueprint: 'worker' | 'consumer', steps: ReturnType<typeof orderOf>): BootstepNode[] =>
    steps.map(({ name, requires }) => ({ blueprint, name, requires, added: !own.has(name) }))
  return [
    ...nodes('worker', orderOf({ name: 'Worker', own: worker, added: app.steps.worker as Iterable<never> })),
    ...nodes(
      'consumer',
      orderOf({ name: 'Consumer', own: consumer, added: app.steps.consumer as Iterable<never> }),
    ),
  ]
}
