/** The seam is transparent: a broker in chaos clothes, without faults, passes the suite of the broker inside. */
import { randomUUID } from 'node:crypto'
import { memoryBackend, memoryBroker, memoryHub } from '@ct/broker-memory'
import { brokerConformance, type BrokerHarness } from '../src/conformance/index.ts'
import { chaosBroker } from '../src/index.ts'

const leaseMs = 500

async function harness(): Promise<BrokerHarness> {
  const name = randomUUID()
  return {
    async peer() {
      const broker = chaosBroker(memoryBroker({ name, leaseMs }), { seed: 1 })
      const cut = async (): Promise<void> => {
        broker.cut()
        // The inner side goes at once too, as a server sees a broken line.
        await new Promise((resolve) => setTimeout(resolve, 10))
      }
      return { broker, cut, kill: cut }
    },
    async putRaw(queue, payload) {
      memoryHub(name).put({
        queue,
        payload,
        priority: 0,
        notBefore: undefined,
        expiresInMs: undefined,
        extra: undefined,
      })
    },
    backend: async () => memoryBackend({ name }),
    close: async () => {},
  }
}

brokerConformance('chaos over memory, without faults', harness, {
  capabilities: memoryBroker({ leaseMs }).capabilities,
  leaseMs,
  without: ['unreachable', 'refused', 'served'],
})
