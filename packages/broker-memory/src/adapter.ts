/** What this package puts under URL schemes: `memory://name`, and `cache+memory://name` for results, as Celery spells it. */
import { defineAdapter, type Adapter } from '@ct/contracts'
import { memoryBackend } from './memory-backend.ts'
import { memoryBroker } from './memory-broker.ts'
import { memoryScheduleStore } from './memory-schedule-store.ts'

export const memory: Adapter = defineAdapter({
  name: 'memory',
  packageName: '@ct/broker-memory',
  brokerSchemes: ['memory'],
  backendSchemes: ['memory', 'cache+memory'],
  broker: (url, options) => memoryBroker({ ...options, url }),
  backend: (url, options) => memoryBackend({ ...options, url }),
  scheduleStore: (url, options) => memoryScheduleStore({ ...options, url }),
})
