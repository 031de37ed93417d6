/** A Redis of the test file's own. */
import { startPrivateRedis, type PrivateRedis } from '@ct-tools/services'
import type { OutgoingMessage, QueueDeclaration } from '@ct/contracts'
import { afterAll, afterEach, beforeEach } from 'vitest'

export interface RedisScene {
  readonly server: PrivateRedis
  /** Closed after each test. */
  readonly opened: { close(): Promise<void> }[]
}

/** Empty before each test, gone after the last. */
export async function redisScene(...options: Parameters<typeof startPrivateRedis>): Promise<RedisScene> {
  const server = await startPrivateRedis(...options)
  const opened: { close(): Promise<void> }[] = []
  beforeEach(async () => {
    await server.command('FLUSHALL')
  })
  afterEach(async () => {
    await Promise.all(opened.splice(0).map((one) => one.close()))
  })
  afterAll(() => server[Symbol.asyncDispose]())
  return { server, opened }
}

export function queue(name: string, more: Partial<QueueDeclaration> = {}): QueueDeclaration {
  return { name, durable: true, exclusive: false, autoDelete: false, bindings: [], ...more }
}

/** By its queue's name, to the default exchange. */
export function message(to: string, id: string, more: Partial<OutgoingMessage> = {}): OutgoingMessage {
  return {
    body: Buffer.from('x'),
    contentType: 'text/plain',
    contentEncoding: 'utf-8',
    headers: { id },
    properties: {},
    exchange: '',
    routingKey: to,
    ...more,
  }
}
