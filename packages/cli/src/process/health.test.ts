import { subscribe, unsubscribe } from 'node:diagnostics_channel'
import type { Server } from 'node:http'
import { createWorker } from '@ct/worker'
import { expect, it } from 'vitest'
import { memoryApp } from '../fixtures/run-ct.ts'
import { reportHealth } from './health.ts'

const listening = 'tracing:net.server.listen:asyncEnd'

it('a connection that cannot be taken ends neither the report nor the worker', async () => {
  await using app = memoryApp({ broker: 'memory://health' })
  await using worker = createWorker(app)
  const servers: Server[] = []
  const seen = (message: unknown): void => void servers.push((message as { server: Server }).server)
  subscribe(listening, seen)
  await using _report = await reportHealth(worker, { port: { host: '127.0.0.1', port: 0 } })
  unsubscribe(listening, seen)
  const [server] = servers
  // Node emits it for each connection for which no file can be opened.
  for (let at = 0; at < 3; at++) server!.emit('error', new Error('accept EMFILE'))
  const { port } = server!.address() as { readonly port: number }
  const response = await fetch(`http://127.0.0.1:${port}/livez`)
  expect([response.status, ((await response.json()) as { live: boolean }).live]).toEqual([200, true])
})
