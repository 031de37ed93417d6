import { poolConformance } from '@ct/testing/conformance'
import { processesPool } from './processes-pool.ts'

// A small heap, so that its end is soon reached.
const options = { execArgv: ['--max-old-space-size=48', ...process.execArgv] }

poolConformance('processes', async () => ({ pool: processesPool(options), close: async () => {} }), {
  capabilities: processesPool().capabilities,
  boundsMemory: true,
  made: { module: new URL('./processes-pool.ts', import.meta.url), name: 'processesPool' },
})
