import { freshVhost, tryServices } from '@ct-tools/services'
import { resultBackendConformance, type ResultBackendHarness } from '@ct/testing/conformance'
import { describe, it } from 'vitest'
import { rpcBackend } from './backend.ts'

const ready = await tryServices(['rabbitmq'])

async function harness(): Promise<ResultBackendHarness> {
  const vhost = await freshVhost()
  return {
    peer: async () => ({ backend: rpcBackend({ url: vhost.url }) }),
    unreachable: async () => rpcBackend({ url: 'amqp://127.0.0.1:1//' }),
    replyTo: ({ backend }) => backend.replyTo ?? '',
    close: () => vhost.release(),
  }
}

if (ready === undefined) {
  describe('rpc: result backend conformance', () => {
    it.skipIf(true)('RabbitMQ is not here', () => {})
  })
} else {
  resultBackendConformance('rpc', harness, {
    capabilities: rpcBackend().capabilities,
    // After a cut only what had arrived is there; the suite expects a store.
    without: ['cut'],
  })
}
