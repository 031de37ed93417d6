import { randomUUID } from 'node:crypto'
import { resultBackendConformance } from '@ct/testing/conformance'
import { memoryBackend } from './memory-backend.ts'
import { memoryHub } from './memory-hub.ts'

resultBackendConformance(
  'memory',
  async () => {
    const name = randomUUID()
    return {
      async peer() {
        const backend = memoryBackend({ name })
        return { backend, cut: async () => memoryHub(name).cut(backend) }
      },
      close: async () => {},
    }
  },
  { capabilities: memoryBackend().capabilities, without: ['unreachable'] },
)
