export { isAborted } from './abort.ts'
export { AsyncResult, resultFromHandle, resultFromTuple } from './async-result.ts'
export type { AsyncResultOptions, ResultNode } from './async-result.ts'
export { EagerResult } from './eager-result.ts'
export type { EagerOutcome } from './eager-result.ts'
export { GroupResult } from './group-result.ts'
export type { GroupResultOptions } from './group-result.ts'
export { IncompleteStream } from './incomplete-stream.ts'
export { inLine } from './result-line.ts'
export { restoreGroup } from './restore-group.ts'
export { dateDoneOf, ResultCodec } from './result-codec.ts'
export type { ResultCodecOptions, TaskOutcome } from './result-codec.ts'
export type {
  ResultContext,
  ResultControl,
  ResultOwner,
  ResultRevokeOptions,
  RevokeCall,
} from './result-context.ts'
export { ResultSet } from './result-set.ts'
export { soon } from './soon.ts'
export type { ResultSettings } from './result-settings.ts'
export { pendingMeta, ResultStore } from './result-store.ts'
export type { ResultStoreOptions, StoreCallOptions } from './result-store.ts'
export type { ResultWatcher } from './subscription-hub.ts'
export type { GetOptions, WaitOptions } from './wait-options.ts'
export { DependencyGraph } from './dependency-graph.ts'
export { ResultGraph } from './result-graph.ts'
export type { GraphOptions, ResultGraphNode } from './result-graph.ts'
