/** What a thread of the pool runs. Its frames have a channel of their own: tasks may use `parentPort` as they like. */
import { getHeapStatistics } from 'node:v8'
import { workerData } from 'node:worker_threads'
import { serveSlot, type ToSlot } from '@ct/contracts/pool-kit'
import { ownBuffers } from './frame-buffers.ts'
import type { ThreadData } from './thread-data.ts'

const { port, calls, measuresMemory } = workerData as ThreadData

const receive = serveSlot({
  pid: process.pid,
  // Taken over by the other side at once: what is sent before the thread is blocked arrives.
  send(frames) {
    port.postMessage(frames, ownBuffers(frames))
    return true
  },
  call: () => calls.postMessage(null, []),
  memoryKb() {
    if (!measuresMemory) return 0
    const { used_heap_size: heap, external_memory: external } = getHeapStatistics()
    return Math.round((heap + external) / 1024)
  },
  // Ends this thread alone.
  exit: (code) => process.exit(code),
})

port.on('message', (frames: readonly ToSlot[]) => receive(frames))
