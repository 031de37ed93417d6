/** Conformance suites: types say what an adapter has, these say what it does. Register them from an adapter's own test file. */
export { brokerConformance } from './broker/index.ts'
export type { BrokerAbility, BrokerConformanceOptions, BrokerHarness, BrokerPeer } from './broker/index.ts'
export { resultBackendConformance } from './result-backend/index.ts'
export type {
  ResultBackendAbility,
  ResultBackendConformanceOptions,
  ResultBackendHarness,
  ResultBackendPeer,
} from './result-backend/index.ts'
export type { TestRunner } from './runner.ts'
