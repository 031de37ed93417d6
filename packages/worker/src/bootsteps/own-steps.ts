/**
 * The steps that a worker has by itself, under Celery's names (celery/worker/worker.py, consumer/consumer.py 5.7; WORK-34, WORK-35), so that
 * steps of others can require them. The worker starts these parts itself; here they are places in an order.
 */
import type { StepClass } from '@ct/client'

function place<P>(name: string, last = false): StepClass<P> {
  return class {
    static readonly stepName = name
    static readonly last = last
    start(): void {}
  }
}

/** Steps of others start between the others of these and `Consumer`. */
export function workerPlaces<P>(): readonly StepClass<P>[] {
  return [
    ...['Timer', 'Hub', 'Pool', 'Autoscaler', 'StateDB', 'Beat'].map((name) => place<P>(name)),
    place<P>('Consumer', true),
  ]
}

/** `Evloop` is where messages begin to come. */
export function consumerPlaces<P>(): readonly StepClass<P>[] {
  return [
    ...[
      'Connection',
      'Events',
      'Mingle',
      'Gossip',
      'Heart',
      'Control',
      'Tasks',
      'DelayedDelivery',
      'Agent',
    ].map((name) => place<P>(name)),
    place<P>('Evloop', true),
  ]
}
