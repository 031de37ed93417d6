import { poolConformance } from '@ct/testing/conformance'
import { threadsPool } from './threads-pool.ts'

// A small heap, so that its end is soon reached.
const options = { resourceLimits: { maxOldGenerationSizeMb: 48 } }

poolConformance('threads', async () => ({ pool: threadsPool(options), close: async () => {} }), {
  capabilities: threadsPool().capabilities,
  boundsMemory: true,
  made: { module: new URL('./threads-pool.ts', import.meta.url), name: 'threadsPool' },
})
