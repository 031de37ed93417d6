import { defineAdapter, type Adapter } from '@ct/contracts'
import { redisBackend } from './backend/backend.ts'
import { redisBroker } from './broker/broker.ts'
import { redisSchemes } from './options/url.ts'
import { packageName } from './package-name.ts'
import { redisScheduleStore } from './schedule/schedule-store.ts'

/** For `createApp({ adapters: [redis], broker: 'redis://…' })`: Redis under all its URL schemes. */
export const redis: Adapter = defineAdapter({
  name: 'redis',
  packageName,
  brokerSchemes: redisSchemes,
  backendSchemes: redisSchemes,
  broker: (url, options) => redisBroker({ ...options, url }),
  backend: (url, options) => redisBackend({ ...options, url }),
  scheduleStore: (url, options) => redisScheduleStore({ ...options, url }),
})
