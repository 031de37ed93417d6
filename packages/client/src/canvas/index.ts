/** Room 2: calls that are not made yet, tied together. */
export { builtinTasks } from './builtin-task-names.ts'
export { argumentsAndOptions, toSignatureOptions } from './call-option-names.ts'
export { givenParts } from './given-arguments.ts'
export type { Callback, CallOptions } from './call-options.ts'
export { Chain } from './chain.ts'
export { Chord } from './chord.ts'
export { encodeChordNote } from './chord-note.ts'
export type { ChordNote } from './chord-note.ts'
export { chain, chord, group } from './compose.ts'
export type { GroupOf } from './compose.ts'
export { currentApp, currentTask, runInTask, runningTask } from './current-task.ts'
export type { RunningTask } from './current-task.ts'
export type { EagerOutcome } from './eager-outcome.ts'
export type { FrozenResult } from './frozen-result.ts'
export { Group } from './group.ts'
export type { GroupHandle } from './group.ts'
export { eagerHandle, resultHandle } from './result-handles.ts'
export { Outbox } from './outbox.ts'
export { unsentOf } from './prepare-members.ts'
export { publishTasks, sendMany } from './publish-tasks.ts'
export { prepareTask, publishTask, publishTaskAs } from './send-task-message.ts'
export type { PreparedTask, TaskCall } from './send-task-message.ts'
export { Signature } from './signature.ts'
export type {
  AnySignature,
  ApplyOptions,
  EagerOptions,
  FreezeIds,
  SignatureCall,
  SignatureParts,
} from './signature.ts'
export { maybeSignature, signatureFromDict } from './signature-from-dict.ts'
export type {
  ApplyArgs,
  ArgsOf,
  HandleOf,
  Mismatch,
  MapItem,
  PartialArgs,
  RemainingArgs,
  ResultOf,
} from './signature-types.ts'
export { stampsOf } from './stamping.ts'
export type { StampAnswer, StampingVisitor, StampOptions, Stamps } from './stamping.ts'
export { piped } from './pipe.ts'
export { TaskSignature } from './task-signature.ts'
