import { freshVhost, tryServices } from '@ct-tools/services'
import { brokerConformance, type BrokerHarness, type BrokerPeer } from '@ct/testing/conformance'
import { describe, it } from 'vitest'
import { Line } from '../../test/line.ts'
import { amqpBroker } from './broker.ts'

const ready = await tryServices(['rabbitmq'])

async function harness(): Promise<BrokerHarness> {
  const vhost = await freshVhost()
  const lines: Line[] = []
  const manager = new URL(vhost.management.url)
  return {
    async peer() {
      const line = await Line.to(vhost.url)
      lines.push(line)
      const cut = (): Promise<void> => line.cut()
      const broker = amqpBroker({
        url: line.url,
        managerHostname: manager.hostname,
        managerPort: Number(manager.port),
        managerUserid: manager.username,
        managerPassword: manager.password,
      })
      return { broker, cut, kill: cut } satisfies BrokerPeer
    },
    unreachable: async () => amqpBroker({ url: 'amqp://127.0.0.1:1//' }),
    async refused() {
      const url = new URL(vhost.url)
      url.password = 'wrong'
      return amqpBroker({ url: url.href })
    },
    async close() {
      for (const line of lines) await line.close()
      await vhost.release()
    },
  }
}

if (ready === undefined) {
  describe('rabbitmq: broker conformance', () => {
    it.skipIf(true)('RabbitMQ is not here', () => {})
  })
} else {
  brokerConformance('rabbitmq', harness, {
    capabilities: amqpBroker().capabilities,
    // Whatever RabbitMQ has given out is marked redelivered when it comes back.
    cleanRelease: false,
    without: ['putRaw', 'backend', 'served'],
    priorityArguments: { 'x-max-priority': 10 },
    patienceMs: 8_000,
  })
}
