import type { MessagePort } from 'node:worker_threads'

/** `workerData` of a thread of the pool. */
export interface ThreadData {
  readonly port: MessagePort
  readonly measuresMemory: boolean
}
