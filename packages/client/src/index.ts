/** Everything that sends: app, tasks, canvas, routing, results, remote control, events. No worker code. */
export * from './app/index.ts'
export * from './canvas/index.ts'
export * from './task/index.ts'
export { didYouMean, ReconnectingConnection } from './connection/index.ts'
export type {
  BackendSource,
  BrokerSource,
  ConnectionListener,
  ConnectionState,
  DiscoverAdapter,
  ReconnectingOptions,
  WhenReadyOptions,
} from './connection/index.ts'
export { channelTable, diagnostics } from './diagnostics/index.ts'
export type {
  ConnectionLostMessage,
  ConnectionOpenMessage,
  DiagnosticsChannel,
  TaskPublishMessage,
  TaskReceiveMessage,
  TaskReturnMessage,
  TaskRunMessage,
} from './diagnostics/index.ts'
export * from './events/index.ts'
export * from './mailbox/index.ts'
export * from './producer/index.ts'
export { Signal, signalNames, signalTable } from './signals/index.ts'
export type {
  AppSignals,
  ConnectOptions,
  ExceptionInfo,
  PublishedProperties,
  RejectedMessage,
  SignalBeat,
  SignalFields,
  SignalHandler,
  SignalMap,
  SignalName,
  SignalPool,
  SignalWorker,
} from './signals/index.ts'
export {
  AsyncResult,
  isAborted,
  DependencyGraph,
  EagerResult,
  GroupResult,
  ResultGraph,
  IncompleteStream,
  ResultSet,
  ResultStore,
  ResultCodec,
  resultFromHandle,
  resultFromTuple,
} from './result/index.ts'
export type {
  AsyncResultOptions,
  GetOptions,
  GraphOptions,
  GroupResultOptions,
  ResultContext,
  ResultOwner,
  ResultGraphNode,
  ResultNode,
  TaskOutcome,
  WaitOptions,
} from './result/index.ts'
export {
  Broadcast,
  delaysNatively,
  Exchange,
  Queue,
  QueueNotFoundError,
  Queues,
  Router,
} from './routing/index.ts'
export type {
  BroadcastOptions,
  DeliveryMode,
  Destination,
  ExchangeOptions,
  QueueBinding,
  QueueDefinition,
  QueueOptions,
  RetryPolicy,
  Route,
  RouteFunction,
  RouteMap,
  RouteObject,
  RouteOptions,
  TaskQueues,
  TaskRouter,
  TaskRoutes,
} from './routing/index.ts'
export {
  AbortedError,
  AdapterError,
  BackendError,
  BackendUnavailableError,
  BrokerError,
  BrokerUnavailableError,
  CeleryError,
  ChordError,
  ClosedError,
  ConfigurationError,
  ContentDisallowedError,
  DecodeError,
  EncodeError,
  float,
  Ignore,
  InvalidMessageError,
  isCeleryError,
  isRefusal,
  isRetryable,
  MaxRetriesExceededError,
  NotRegistered,
  PublishError,
  Reject,
  RemoteError,
  Replace,
  Retry,
  SoftTimeLimitExceeded,
  states,
  TaskError,
  TaskRevokedError,
  Terminated,
  TimeLimitExceeded,
  TimeoutError,
  UnsupportedError,
  WorkerLostError,
} from '@ct/contracts'
export type { ErrorCode, TaskState } from '@ct/contracts'
