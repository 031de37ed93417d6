import { randomUUID } from 'node:crypto'
import { scheduleStoreConformance } from '@ct/testing/conformance'
import { memoryBroker } from './memory-broker.ts'
import { memoryScheduleStore } from './memory-schedule-store.ts'

scheduleStoreConformance(
  'memory',
  async () => {
    const name = randomUUID()
    return {
      store: async () => memoryScheduleStore({ name }),
      broker: async () => memoryBroker({ name }),
      close: async () => {},
    }
  },
  { capabilities: memoryScheduleStore().capabilities, without: ['putBroken', 'unreachable', 'loseData'] },
)
