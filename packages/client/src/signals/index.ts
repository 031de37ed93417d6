/** Beside the way: the moments that code outside can hook into. */
export { closeSignals, createSignals, signalNames, signalTable } from './app-signals.ts'
export type { AppSignals } from './app-signals.ts'
export { Signal } from './signal.ts'
export type { ConnectOptions, SignalErrorHandler, SignalFields, SignalHandler } from './signal.ts'
export type {
  ExceptionInfo,
  PublishedProperties,
  RejectedMessage,
  SignalBeat,
  SignalMap,
  SignalName,
  SignalPool,
  SignalWorker,
} from './signal-map.ts'
