import { defineAdapter, type Adapter } from '@ct/contracts'
import { threadsPool } from './threads-pool.ts'

/** For `createApp({ adapters: [threads] })`; `@ct/core` finds it by itself when it is installed. */
export const threads: Adapter = defineAdapter({
  name: 'threads',
  packageName: '@ct/pool-threads',
  brokerSchemes: [],
  backendSchemes: [],
  poolNames: ['threads'],
  pool: () => threadsPool(),
})
