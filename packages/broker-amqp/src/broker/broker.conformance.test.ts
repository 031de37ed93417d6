import { randomUUID } from 'node:crypto'
import { freshVhost, tryServices } from '@ct-tools/services'
import { brokerConformance, type BrokerHarness, type BrokerPeer } from '@ct/testing/conformance'
import { describe, it } from 'vitest'
import { amqpBroker } from './broker.ts'

const ready = await tryServices(['rabbitmq'])

async function harness(): Promise<BrokerHarness> {
  const vhost = await freshVhost()
  return {
    async peer() {
      const connectionName = `peer-${randomUUID()}`
      const cut = (): Promise<void> => closeNamed(vhost.management, vhost.vhost, connectionName)
      return { broker: amqpBroker({ url: vhost.url, connectionName }), cut, kill: cut } satisfies BrokerPeer
    },
    unreachable: async () => amqpBroker({ url: 'amqp://127.0.0.1:1//' }),
    async refused() {
      const url = new URL(vhost.url)
      url.password = 'wrong'
      return amqpBroker({ url: url.href })
    },
    close: () => vhost.release(),
  }
}

type Management = Awaited<ReturnType<typeof freshVhost>>['management']

/** The management plugin knows a connection a little after it was opened, and forgets it a little after it is gone. */
async function closeNamed(management: Management, vhost: string, name: string): Promise<void> {
  let seen = false
  for (let round = 0; round < 200; round++) {
    const found = ((await management.call('GET', `/vhosts/${encodeURIComponent(vhost)}/connections`)) ??
      []) as {
      readonly name: string
      readonly client_properties?: { readonly connection_name?: string }
    }[]
    const ours = found.filter((one) => one.client_properties?.connection_name === name)
    if (ours.length > 0) {
      seen = true
      for (const one of ours) await management.call('DELETE', `/connections/${encodeURIComponent(one.name)}`)
    } else if (seen) return
    await new Promise((resolve) => setTimeout(resolve, 25))
  }
}

if (ready === undefined) {
  describe('rabbitmq: broker conformance', () => it.skip('RabbitMQ is not here', () => {}))
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
