import { asyncPool, soloPool } from '@ct/worker'
import { poolConformance } from '../src/conformance/index.ts'

const close = async (): Promise<void> => {}

poolConformance('async', async () => ({ pool: asyncPool(), close }), {
  capabilities: asyncPool().capabilities,
})

poolConformance('solo', async () => ({ pool: soloPool(), close }), {
  capabilities: soloPool().capabilities,
  oneSlot: true,
})
