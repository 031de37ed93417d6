import { defineAdapter, type Adapter } from '@ct/contracts'
import { processesPool } from './processes-pool.ts'

/** For `createApp({ adapters: [processes] })`; `@ct/core` finds it by itself when it is installed. */
export const processes: Adapter = defineAdapter({
  name: 'processes',
  packageName: '@ct/pool-processes',
  brokerSchemes: [],
  backendSchemes: [],
  // The second is Celery's own name.
  poolNames: ['processes', 'prefork'],
  pool: () => processesPool(),
})
