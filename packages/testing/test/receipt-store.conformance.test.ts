/** The kit on a store shaped like SQS. */
import { brokerConformance } from '../src/conformance/index.ts'
import { receiptBroker, receiptCapabilities, ReceiptServer } from './receipt-store.ts'

const leaseMs = 600

brokerConformance(
  'a store with receipts',
  async () => {
    const server = new ReceiptServer()
    return {
      async peer() {
        const broker = receiptBroker(server, leaseMs)
        const cut = async (): Promise<void> => server.cut(broker)
        return { broker, cut, kill: cut }
      },
      served: async () => server.requests,
      async putRaw(queue, payload) {
        server.queue(queue).push({ payload, visibleAt: 0, receives: 0, receipt: undefined })
      },
      close: async () => {},
    }
  },
  {
    capabilities: receiptCapabilities,
    leaseMs,
    cleanRelease: false,
    purgeSparesHeld: false,
    without: ['unreachable', 'refused', 'backend'],
    // Ten queues, each with a long poll that the server ends after 400 ms.
    idleCommandsPerSecond: 30,
  },
)
