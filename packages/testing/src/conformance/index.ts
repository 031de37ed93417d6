/** Conformance suites: types say what an adapter has, these say what it does. Register them from an adapter's own test file. */
export { brokerConformance } from './broker/index.ts'
export type { BrokerAbility, BrokerConformanceOptions, BrokerHarness, BrokerPeer } from './broker/index.ts'
export { compressorConformance } from './codec/compressor.ts'
export type { CompressorConformanceOptions } from './codec/compressor.ts'
export { serializerConformance } from './codec/serializer.ts'
export type { SerializerConformanceOptions } from './codec/serializer.ts'
export { poolConformance, runConformanceJob } from './pool/index.ts'
export type { ConformanceJob, PoolConformanceOptions, PoolHarness } from './pool/index.ts'
export { resultBackendConformance } from './result-backend/index.ts'
export type {
  ResultBackendAbility,
  ResultBackendConformanceOptions,
  ResultBackendHarness,
  ResultBackendPeer,
} from './result-backend/index.ts'
export { scheduleStoreConformance } from './schedule-store/index.ts'
export type {
  ScheduleStoreAbility,
  ScheduleStoreConformanceOptions,
  ScheduleStoreHarness,
} from './schedule-store/index.ts'
export type { TestRunner } from './runner.ts'
