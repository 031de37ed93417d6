/** An app on a memory broker of its own, and what it has sent. */
import { randomUUID } from 'node:crypto'
import { memoryBackend, memoryBroker } from '@ct/broker-memory'
import { decodeJson, decodeUtf8 } from '@ct/contracts'
import type { OutgoingMessage } from '@ct/contracts'
import { App } from '../src/app/index.ts'
import type { AppOptions } from '../src/app/index.ts'

/** One task message, opened. */
export interface SentMessage {
  readonly queue: string
  readonly headers: Readonly<Record<string, unknown>>
  readonly properties: OutgoingMessage['properties']
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, unknown>>
  readonly embed: {
    readonly callbacks: readonly WireSignature[] | null
    readonly errbacks: readonly WireSignature[] | null
    readonly chain: readonly WireSignature[] | null
    readonly chord: WireSignature | null
  }
}

export interface WireSignature {
  readonly task: string
  readonly args: readonly unknown[]
  readonly kwargs: Readonly<Record<string, never>>
  readonly options: Readonly<Record<string, unknown>>
  readonly subtask_type: string | null
  readonly immutable: boolean
}

export interface CapturedApp extends AsyncDisposable {
  readonly app: App
  /** What was sent since the last call, in order, from these queues. Default `celery`. */
  sent(...queues: readonly string[]): Promise<readonly SentMessage[]>
}

/** `seconds` 1,000,000,000 is the app's clock: 2001-09-09T01:46:40Z. */
export const nowMs = 1_000_000_000_000

export function capturedApp(options: AppOptions = {}): CapturedApp {
  const url = `memory://${randomUUID()}`
  const broker = memoryBroker({ url })
  const app = new App({
    name: 'proj',
    broker,
    backend: memoryBackend({ url: `cache+${url}` }),
    environment: {},
    now: () => nowMs,
    ...options,
  })
  return {
    app,
    async sent(...queues) {
      const names = queues.length === 0 ? ['celery'] : queues
      const connection = await broker.connect({ onNotice: () => {} })
      const messages: SentMessage[] = []
      const consumer = await connection.openConsumer({
        credit: 10_000,
        onDelivery: (delivery) => {
          void delivery.settle({ action: 'ack' })
          const [args, kwargs, embed] = decodeJson(decodeUtf8(delivery.body)) as [
            SentMessage['args'],
            SentMessage['kwargs'],
            SentMessage['embed'],
          ]
          messages.push({
            queue: delivery.queue,
            headers: delivery.headers,
            properties: delivery.properties,
            args,
            kwargs,
            embed,
          })
        },
      })
      const declarations = names.map((name) => app.context.queues.get(name).declaration)
      await connection.declare(declarations)
      const sizes = await Promise.all(names.map((name) => connection.queueSize(name)))
      const expected = sizes.reduce((sum, size) => sum + size, 0)
      await consumer.subscribe(declarations.map((queue) => ({ queue })))
      // What was taken is not delivered yet; what has expired meanwhile never is.
      for (let turns = 0; messages.length < expected && turns < 1000; turns++) await new Promise(setImmediate)
      await consumer.flush()
      await connection.close()
      return messages
    },
    async [Symbol.asyncDispose]() {
      await app.close()
      await broker.close()
    },
  }
}
