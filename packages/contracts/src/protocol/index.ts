/** Room 4: task messages and result documents as Celery writes them. */
export { buildTaskMessage } from './build-task-message.ts'
export type { Moment, TaskMessageInput, TaskMessageOptions } from './build-task-message.ts'
export { nextOfChain, stepsOfChain } from './chain-source.ts'
export type { ChainSource } from './chain-source.ts'
export { EnvelopeReader } from './envelope-reader.ts'
export { EnvelopeWriter } from './envelope-writer.ts'
export { sentEnvelope } from './sent-envelope.ts'
export { decodeEnvelope, encodeEnvelope, readEnvelope } from './envelope.ts'
export type { Envelope, EnvelopeAddress } from './envelope.ts'
export { decodeException, encodeException, isTaskError } from './exception-document.ts'
export type { ExceptionDocument } from './exception-document.ts'
export {
  ChordError,
  Ignore,
  InvalidTaskError,
  MaxRetriesExceededError,
  NotRegistered,
  Reject,
  Replace,
  RemoteError,
  Retry,
  SoftTimeLimitExceeded,
  TaskError,
  TaskRevokedError,
  Terminated,
  TimeLimitExceeded,
  TimeoutError,
  WorkerLostError,
} from './exceptions.ts'
export type { PythonException, RetryOptions, TaskErrorOptions } from './exceptions.ts'
export { isPlainObject } from './plain-object.ts'
export { foreignExceptionModule, pythonIdentity } from './python-identity.ts'
export { pyRepr, pyStr } from './python-repr.ts'
export type { PythonReprOptions } from './python-repr.ts'
export { exceptionLine, exceptionMessage, pythonTraceback } from './python-traceback.ts'
export { readTaskBody, readTaskEmbed } from './read-task-body.ts'
export type { TaskBody } from './read-task-body.ts'
export { readTaskMessage } from './read-task-message.ts'
export type { MessageCodecs, TaskMessage, TaskPayload } from './read-task-message.ts'
export { decodeResultMeta, encodeResultMeta, readResultDocument, resultDocument } from './result-document.ts'
export type { ExtendedResultMeta, ResultMeta } from './result-document.ts'
export { decodeResultHandle, encodeResultHandle, groupDocument, readGroupDocument } from './result-handle.ts'
export type { ResultHandle, ResultTuple } from './result-handle.ts'
export { argsRepr, kwargsRepr, saferepr } from './saferepr.ts'
export type { SafeReprOptions } from './saferepr.ts'
export { readSignature } from './signature-dict.ts'
export type { SignatureDict, SignatureOptions, SignatureSource } from './signature-dict.ts'
export { exceptionStates, propagateStates, readyStates, statePrecedence, states } from './states.ts'
export type { TaskState } from './states.ts'
export {
  customHeaders,
  deadLetterHeaders,
  emptyEmbed,
  resendableHeaders,
  scheduledAtHeader,
  standardHeaders,
} from './task-message.ts'
export type { TaskEmbed } from './task-message.ts'
export { isRateLimit, rateLimitWanted } from './rate-limit.ts'
