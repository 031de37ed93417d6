import { randomUUID } from 'node:crypto'
import { brokerConformance, type BrokerHarness } from '@ct/testing/conformance'
import { memoryBackend } from './memory-backend.ts'
import { memoryBroker } from './memory-broker.ts'
import { memoryHub } from './memory-hub.ts'

function harness(leaseMs?: number): () => Promise<BrokerHarness> {
  return async () => {
    const name = randomUUID()
    const hub = memoryHub(name)
    let takes = 0
    const take = hub.take.bind(hub)
    hub.take = (...request) => {
      takes++
      return take(...request)
    }
    return {
      async peer() {
        const broker = memoryBroker({ name, ...(leaseMs === undefined ? undefined : { leaseMs }) })
        const cut = async (): Promise<void> => hub.cut(broker)
        return { broker, cut, kill: cut }
      },
      async putRaw(queue, payload) {
        hub.put({
          queue,
          payload,
          priority: 0,
          notBefore: undefined,
          expiresInMs: undefined,
          extra: undefined,
        })
      },
      served: async () => takes,
      backend: async () => memoryBackend({ name }),
      close: async () => {},
    }
  }
}

const without = ['unreachable', 'refused'] as const

brokerConformance('memory', harness(), { capabilities: memoryBroker().capabilities, without })

brokerConformance('memory with leases', harness(500), {
  capabilities: memoryBroker({ leaseMs: 500 }).capabilities,
  leaseMs: 500,
  without,
})
