/**
 * Kit for brokers whose server knows queues and little else: write a {@link VirtualStore}, get a `Broker`.
 *
 * The parts are exported too, for adapters that use the full contract but share the envelope or the exchanges (Redis).
 */
export { bindingsOf, LocalBindings, route } from './bindings.ts'
export type { Binding, BindingTable } from './bindings.ts'
export { aborted, raceSignal, rejectAborted } from './call-guard.ts'
export { defineVirtualBroker } from './define-virtual-broker.ts'
export type { VirtualBrokerOptions } from './define-virtual-broker.ts'
export { getOne } from './get-one.ts'
export { camelCase, checkOptions } from './option-table.ts'
export type { OptionTable } from './option-table.ts'
export { parkedEnvelope, parkedRaw, rawContentType, readParked } from './parked-envelope.ts'
export { nodeTlsOptions, sslOption, tlsOptionTable } from './tls-options.ts'
export type { ConnectTls, TlsOptions } from './tls-options.ts'
export { legacyTopicPattern, patternMatches, topicMatches, topicPattern } from './topic-pattern.ts'
export { TurnBatch } from './turn-batch.ts'
export { decodeUrlPart, maskUrl } from './url-parts.ts'
export { inOrder } from './virtual-administration.ts'
export type {
  FanoutChannel,
  StoreEvents,
  StorePut,
  StoreSettlement,
  TakenMessage,
  TakeRequest,
  VirtualStore,
} from './virtual-store.ts'
export { pause } from './wake-up.ts'
