import { defineAdapter, type Adapter } from '@ct/contracts'
import { amqpBroker } from './broker/broker.ts'
import { amqpSchemes, rpcUrl } from './options/url.ts'
import { packageName } from './package-name.ts'
import { rpcBackend } from './rpc/backend.ts'

/** For `createApp({ adapters: [amqp], broker: 'amqp://…' })`: RabbitMQ under all its URL schemes. */
export const amqp: Adapter = defineAdapter({
  name: 'amqp',
  packageName,
  brokerSchemes: amqpSchemes,
  backendSchemes: ['rpc'],
  broker: (url, options) => amqpBroker({ ...options, url }),
  backend: (url, { brokerUrl, ...options }) => rpcBackend({ ...options, url: rpcUrl(url, brokerUrl) }),
})
