export { Exchange, deliveryModeNumber } from './exchange.ts'
export type { DeliveryMode, ExchangeOptions } from './exchange.ts'
export { delaysNatively } from './native-delay.ts'
export { Broadcast, Queue } from './queue.ts'
export type { BroadcastOptions, QueueBinding, QueueOptions } from './queue.ts'
export { queueFromDefinition, queuesFrom } from './queue-definition.ts'
export type { QueueDefinition, TaskQueues } from './queue-definition.ts'
export { QueueNotFoundError, Queues } from './queues.ts'
export type { QueueSettings } from './queues.ts'
export type {
  RetryPolicy,
  Route,
  RoutedTask,
  RouteFunction,
  RouteMap,
  RouteObject,
  RouteOptions,
  TaskRouter,
  TaskRoutes,
} from './route-options.ts'
export { mergeOptions, Router } from './router.ts'
export type { Destination, RoutedCall, RouterSettings } from './router.ts'
