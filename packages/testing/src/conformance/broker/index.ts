/** Conformance suite of the Broker contract: one test or more for each duty B1…B28. */
import { administrationTests } from './administration.ts'
import { carryingTests } from './carrying.ts'
import { consumingTests } from './consuming.ts'
import type { BrokerConformanceOptions, BrokerHarness } from './harness.ts'
import { leaseTests } from './leases.ts'
import { lifecycleTests } from './lifecycle.ts'
import { parkingTests } from './parking.ts'
import { publishingTests } from './publishing.ts'
import { settleWithResultTests } from './results.ts'
import { routingTests } from './routing.ts'
import { settlingTests } from './settling.ts'
import { makeBrokerSuite } from './suite.ts'

export type { BrokerAbility, BrokerConformanceOptions, BrokerHarness, BrokerPeer } from './harness.ts'

/**
 * Registers the suite. `makeHarness` is called once per test.
 *
 * @example brokerConformance('memory', makeHarness, { capabilities: memoryBroker().capabilities })
 */
export function brokerConformance(
  name: string,
  makeHarness: () => Promise<BrokerHarness>,
  options: BrokerConformanceOptions,
): void {
  if (options.capabilities.wakeUp === 'poll' && options.quietMs === undefined)
    throw new Error('A broker that polls needs `quietMs`: more than twice its poll interval.')
  const suite = makeBrokerSuite(makeHarness, options)
  suite.runner.describe(`${name}: broker conformance`, () => {
    lifecycleTests(suite)
    publishingTests(suite)
    routingTests(suite)
    consumingTests(suite)
    settlingTests(suite)
    leaseTests(suite)
    parkingTests(suite)
    settleWithResultTests(suite)
    administrationTests(suite)
    carryingTests(suite)
  })
}
