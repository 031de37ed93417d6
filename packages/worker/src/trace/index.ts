export { builtinTasksOf } from './builtin-tasks.ts'
export { failChord } from './chord-error.ts'
export type { ChordMember } from './chord-member.ts'
export { claimMsOf, completeChord, reportPart } from './chord.ts'
export { ack } from './effects.ts'
export { failChordsOf } from './failure.ts'
export { Interruptions } from './interruptions.ts'
export type { Outcome } from './outcome.ts'
export type {
  CallOf,
  OpenChordsPort,
  Chords,
  ChordPartValue,
  Results,
  ResultState,
  ResultSubject,
  Sender,
  TaskEvents,
  TraceLog,
  TraceServices,
} from './ports.ts'
export { type RetryCopy } from './retry.ts'
export { sendSuccessors } from './links.ts'
export { packOutcome, unpackOutcome, type PackOptions, type UnpackOptions } from './packed-outcome.ts'
export { executor } from './run.ts'
export { TaskSignals } from './task-signals.ts'
export { taskRequest } from './task-request.ts'
export { thrown } from './thrown.ts'
export { Tracer, type TracerOptions } from './tracer.ts'
