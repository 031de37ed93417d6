import { defineAdapter, type Adapter } from '@ct/contracts'
import { amqpBroker } from './broker/broker.ts'
import { amqpSchemes } from './options/url.ts'
import { packageName } from './package-name.ts'

/** For `createApp({ adapters: [amqp], broker: 'amqp://…' })`: RabbitMQ under all its URL schemes. */
export const amqp: Adapter = defineAdapter({
  name: 'amqp',
  packageName,
  brokerSchemes: amqpSchemes,
  backendSchemes: [],
  broker: (url, options) => amqpBroker({ ...options, url }),
})
