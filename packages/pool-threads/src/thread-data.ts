import type { MessagePort } from 'node:worker_threads'

/** `workerData` of a thread of the pool. */
export interface ThreadData {
  readonly port: MessagePort
  /** Over it the thread calls when the pool does not listen. */
  readonly calls: MessagePort
  readonly measuresMemory: boolean
}
