/** Room 1, second half: tasks, their options, what a handler is given. */
export { ArgumentsError } from './arguments-error.ts'
export { callWithFailure, takesFailure } from './error-callback.ts'
export { LocalTaskContext, localRequest } from './eager.ts'
export { bindArguments, parametersOf } from './parameters.ts'
export type { Kwargs, ParameterList } from './parameters.ts'
export type { RegisteredTask } from './registered-task.ts'
export type { ReplaceOptions } from './replace-control.ts'
export type { RequestSignatureOptions } from './signature-from-request.ts'
export { automaticRetry, retryArguments } from './retry-control.ts'
export { BaseTaskContext } from './base-task-context.ts'
export type {
  SchemaInput,
  SchemaIssue,
  SchemaOutput,
  SchemaResult,
  StandardSchema,
} from './standard-schema.ts'
export { chunks, xmap, xstarmap } from './task-maps.ts'
export type { ChunksOf, Mappable } from './task-maps.ts'
export { RemoteTask } from './remote-task.ts'
export { TaskObject } from './task.ts'
export type { Task, TaskDefinition } from './task.ts'
export type { TaskContext, TaskRetryOptions } from './task-context.ts'
export type { DefineTask } from './define-task.ts'
export type {
  ErrorClass,
  ResolvedTaskOptions,
  TaskConcurrency,
  TaskHooks,
  TaskOptions,
} from './task-options.ts'
export { TaskRegistry } from './task-registry.ts'
export type { TaskDeliveryInfo, TaskRequest } from './task-request.ts'
